-- Make a checkpoint. Parameters: projection, slot, lane_id, next offset.
INSERT INTO projections.checkpoint (projection, slot, lane_id, next_offset) VALUES ($1, $2, $3, $4)
