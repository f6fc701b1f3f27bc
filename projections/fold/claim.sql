-- Claim a lane that has something to fold and that nobody folds now. Parameters: projection, slot.
SELECT c.lane_id, c.next_offset, l.next_offset AS log_offset
FROM projections.checkpoint AS c
INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
WHERE c.projection = $1 AND c.slot = $2 AND c.next_offset < l.next_offset
ORDER BY c.complete_until
LIMIT 1
FOR UPDATE OF c SKIP LOCKED
