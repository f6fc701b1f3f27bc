-- Make the missing checkpoints of lanes in the serving slot. Parameters: projection, slot.
INSERT INTO projections.checkpoint (projection, slot, lane_id, next_offset, complete_until, recorded_until)
SELECT p.projection, p.slot, p.lane_id, p.next_offset, p.complete_until, p.recorded_until
FROM projections.progress AS p
WHERE p.projection = $1 AND p.slot = $2 AND NOT p.has_checkpoint
ORDER BY p.lane_id
ON CONFLICT DO NOTHING
