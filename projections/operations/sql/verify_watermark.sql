-- The watermark is not later than the log allows. complete_until is at most a lane's last receipt or the time its end was
-- last read, recorded_until at most its last append or the time it was last quiet. A lane that was opened later starts
-- with the times of others, so the newest of all lanes is the limit. The tolerance for clocks is 5 s. No record that is
-- not projected yet was recorded before the watermark.
WITH newest AS (
    SELECT max(greatest(received_at + interval '5 seconds', end_seen_at)) AS complete_until,
        max(greatest(recorded_at, quiet_at) + interval '5 seconds') AS recorded_until
    FROM segments.lane
), serving AS (
    SELECT c.lane_id, concat_ws('-', l.topic, l.partition, l.epoch) AS lane, c.next_offset, c.complete_until, c.recorded_until
    FROM projections.serving_checkpoint AS c
    INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
)
SELECT 'watermark' AS view, v.lane || ' ' || v.what AS key, 'at most ' || v.bound AS expected, v.found::text AS found
FROM (
    SELECT s.lane, 'complete_until' AS what, n.complete_until AS bound, s.complete_until AS found
    FROM serving AS s CROSS JOIN newest AS n
    UNION ALL
    SELECT s.lane, 'recorded_until', n.recorded_until, s.recorded_until
    FROM serving AS s CROSS JOIN newest AS n
    UNION ALL
    -- recorded_at never decreases in a lane, so the first of each kind has the least.
    SELECT s.lane, 'recorded_until, what is recorded and not projected', least(
        (SELECT e.recorded_at FROM segments.event AS e
            WHERE e.lane_id = s.lane_id AND e.kafka_offset >= s.next_offset ORDER BY e.kafka_offset LIMIT 1),
        (SELECT d.recorded_at FROM segments.duplicate AS d
            WHERE d.lane_id = s.lane_id AND d.kafka_offset >= s.next_offset ORDER BY d.kafka_offset LIMIT 1),
        (SELECT r.recorded_at FROM segments.rejected AS r
            WHERE r.lane_id = s.lane_id AND r.kafka_offset >= s.next_offset ORDER BY r.kafka_offset LIMIT 1)
    ), s.recorded_until
    FROM serving AS s
) AS v
WHERE v.found > v.bound
ORDER BY 2 LIMIT 100
