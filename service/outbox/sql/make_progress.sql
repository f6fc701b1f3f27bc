-- Make the row that says how far a lane was published, if it is missing. Parameters: lane_id.
INSERT INTO segments.rejected_outbox (lane_id, next_offset)
SELECT l.lane_id, l.first_offset FROM segments.lane AS l WHERE l.lane_id = $1 ON CONFLICT DO NOTHING
