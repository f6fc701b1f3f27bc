-- Move a lane on over skipped records. Parameters: lane_id, next offset, rejected, holes, recorded_at; of the last record
-- offset, timestamp and digest, or null; received_at (Unix ms); why the lane is stopped meanwhile, or null.
UPDATE segments.lane SET next_offset = $2, rejected = rejected + $3, holes = holes + $4, recorded_at = $5,
    quiet_offset = $2, quiet_at = $5, last_offset = coalesce($6, last_offset),
    last_timestamp = coalesce($7, last_timestamp), last_digest = coalesce($8, last_digest),
    received_at = greatest(received_at, to_timestamp($9::bigint / 1000.0)), stopped_because = $10
WHERE lane_id = $1
