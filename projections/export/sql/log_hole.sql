-- The rows of table hole of a lane that begin in a range of offsets.
-- Parameters: $1 lane_id, $2 first offset, $3 the offset after the last.
SELECT t.* FROM segments.hole AS t
WHERE t.lane_id = $1::integer AND t.first_offset >= $2::bigint AND t.first_offset < $3::bigint
ORDER BY t.first_offset
