-- The lanes of a snapshot, with the offsets that an export reads: from the earlier snapshot, or from the lane's first, to the
-- snapshot's. log_position: the end of the log, which may be further.
-- Parameters: $1 snapshot, $2 the earlier snapshot or null, $3 network or null.
SELECT
    l.lane_id,
    l.topic,
    l.partition,
    l.epoch,
    greatest(l.first_offset, f.next_offset) AS first_position,
    coalesce(u.next_offset, l.first_offset) AS last_position,
    l.next_offset AS log_position,
    c.recorded_until
FROM segments.lanes_of(CASE WHEN $3::text IS NOT NULL THEN ARRAY[$3::text] END) AS l
LEFT JOIN (
    SELECT w.* FROM projections.read_snapshot($1) AS r CROSS JOIN unnest(r.lanes, r.positions) AS w (lane_id, next_offset)
) AS u ON l.lane_id = u.lane_id
LEFT JOIN (
    SELECT w.*
    FROM projections.read_snapshot($2, CASE WHEN $3::text IS NOT NULL THEN ARRAY[$3::text] END) AS r
    CROSS JOIN unnest(r.lanes, r.positions) AS w (lane_id, next_offset)
    WHERE $2::text IS NOT NULL
) AS f ON l.lane_id = f.lane_id
LEFT JOIN projections.serving_checkpoint AS c ON l.lane_id = c.lane_id
ORDER BY l.lane_id
