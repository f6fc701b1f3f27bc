-- Make the row of a lane's published position, if it is missing. Parameters: lane_id.
INSERT INTO segments.rejected_outbox (lane_id, next_offset)
SELECT l.lane_id, l.first_offset FROM segments.lane AS l WHERE l.lane_id = $1 ON CONFLICT DO NOTHING
