-- The positions up to which a slot is folded; if it has none, as over a log that was imported, the ends of all lanes.
-- Parameters: projection, slot.
SELECT c.lane_id, c.next_offset FROM projections.checkpoint AS c WHERE c.projection = $1 AND c.slot = $2
UNION ALL
SELECT l.lane_id, l.next_offset FROM segments.lane AS l
WHERE NOT EXISTS (SELECT FROM projections.checkpoint AS c WHERE c.projection = $1 AND c.slot = $2)
