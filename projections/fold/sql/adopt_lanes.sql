-- Give a checkpoint to lanes that have none in the serving slot: whoever opens a lane does not wait for a swap, and
-- may have given it one of the slot that was taken away. Parameters: projection, slot.
INSERT INTO projections.checkpoint (projection, slot, lane_id, next_offset, complete_until, recorded_until)
SELECT $1, $2, l.lane_id, l.first_offset, coalesce(max(o.complete_until), '-infinity'),
    coalesce(max(o.recorded_until), '-infinity')
FROM segments.lane AS l
LEFT JOIN projections.checkpoint AS o ON o.projection = $1 AND o.lane_id = l.lane_id
WHERE NOT EXISTS (
    SELECT FROM projections.checkpoint AS c WHERE c.projection = $1 AND c.slot = $2 AND c.lane_id = l.lane_id
)
GROUP BY l.lane_id
ORDER BY l.lane_id
ON CONFLICT DO NOTHING
