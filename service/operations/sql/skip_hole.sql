-- Record a hole within the skipped offsets. Parameters: lane_id, first offset, next offset, recorded_at.
INSERT INTO segments.hole (lane_id, first_offset, next_offset, cause, recorded_at) VALUES ($1, $2, $3, 'skipped', $4)
