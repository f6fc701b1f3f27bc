-- Set a lane's published position. Parameters: lane_id, next offset.
UPDATE segments.rejected_outbox SET next_offset = $2 WHERE lane_id = $1
