-- Move a lane on by compare-and-set. Parameters: lane_id, expected next_offset, next_offset, events,
-- duplicates, rejected, holes, last record's offset, timestamp and digest, received_at (Unix ms), recorded_at.
UPDATE segments.lane SET
    next_offset = $3,
    events = events + $4,
    duplicates = duplicates + $5,
    rejected = rejected + $6,
    holes = holes + $7,
    last_offset = coalesce($8, last_offset),
    last_timestamp = coalesce($9, last_timestamp),
    last_digest = coalesce($10, last_digest),
    received_at = greatest(received_at, to_timestamp($11::bigint / 1000) + ($11::bigint % 1000) * interval '1 millisecond'),
    recorded_at = $12,
    quiet_offset = $3,
    quiet_at = $12
WHERE lane_id = $1 AND next_offset = $2 AND stopped_because IS NULL AND NOT closed
