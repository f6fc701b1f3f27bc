-- The checkpoints of a slot. Parameters: projection, slot.
SELECT lane_id, next_offset FROM projections.checkpoint WHERE projection = $1 AND slot = $2
