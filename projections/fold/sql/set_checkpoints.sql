-- Make checkpoints of a slot that is being rebuilt. Parameters: projection, slot, lane_id[], next offset[].
INSERT INTO projections.checkpoint (projection, slot, lane_id, next_offset)
SELECT $1, $2, w.lane_id, w.next_offset FROM unnest($3::integer[], $4::bigint[]) AS w (lane_id, next_offset)
