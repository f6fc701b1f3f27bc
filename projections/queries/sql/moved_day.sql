-- The events that altered the numbers of a UTC day of a segment after it was over, in the order in which they were recorded, each
-- with the numbers before and after it. Only keys with an event of that day or earlier that was recorded later are folded.
-- Parameters: $1 segment_key, $2 day, $3 limit.
WITH late AS MATERIALIZED (
    SELECT m.person_id FROM projections.serving_membership AS m
    WHERE m.segment_key = $1::integer AND m.last_recorded_at >= ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
        AND EXISTS (
            SELECT FROM segments.event AS f
            WHERE f.segment_key = $1 AND f.person_id = m.person_id
                AND f.recorded_at >= ($2 + 1)::timestamp AT TIME ZONE 'UTC'
                AND f.status_change_timestamp < ($2 + 1)::timestamp AT TIME ZONE 'UTC'
        )
), altered AS (
    SELECT
        c.person_id, c.lane_id, c.kafka_offset, c.recorded_at, l.topic, l.partition, l.epoch,
        sum(c.joined - c.departed) AS members,
        coalesce(sum(c.joined) FILTER (WHERE c.day = $2), 0) AS joined,
        coalesce(sum(c.departed) FILTER (WHERE c.day = $2), 0) AS departed
    FROM late AS k
    CROSS JOIN LATERAL projections.key_day_changes($1, k.person_id, NULL, NULL, NULL) AS c
    INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
    WHERE c.day <= $2 AND c.recorded_at >= ($2 + 1)::timestamp AT TIME ZONE 'UTC'
    GROUP BY c.person_id, c.lane_id, c.kafka_offset, c.recorded_at, l.topic, l.partition, l.epoch
    HAVING sum(c.joined - c.departed) <> 0 OR count(*) FILTER (WHERE c.day = $2) > 0
), day_now AS (
    SELECT
        coalesce(sum(z.joined - z.departed), 0) AS members,
        coalesce(sum(z.joined) FILTER (WHERE z.day = $2), 0) AS joined,
        coalesce(sum(z.departed) FILTER (WHERE z.day = $2), 0) AS departed
    FROM projections.serving_size_daily AS z
    WHERE z.segment_key = $1 AND z.day <= $2
), numbered AS (
    -- The numbers now, less what later events changed.
    SELECT
        a.*,
        n.members - sum(a.members) OVER latest_first + a.members AS members_after,
        n.joined - sum(a.joined) OVER latest_first + a.joined AS joined_after,
        n.departed - sum(a.departed) OVER latest_first + a.departed AS left_after
    FROM altered AS a CROSS JOIN day_now AS n
    WINDOW latest_first AS (
        ORDER BY a.recorded_at DESC, a.topic DESC, a.partition DESC, a.epoch DESC, a.kafka_offset DESC
        ROWS UNBOUNDED PRECEDING
    )
)
SELECT
    d.recorded_at,
    e.status_change_timestamp,
    p.user_id,
    segments.status_word(e.user_status) AS user_status,
    coalesce(e.source, 'kafka') AS source,
    e.actor,
    d.topic,
    d.topic || ':' || d.partition || ':' || d.epoch || ':' || d.kafka_offset AS position,
    (d.members_after - d.members)::bigint AS members_before,
    d.members_after::bigint,
    (d.joined_after - d.joined)::bigint AS joined_before,
    d.joined_after::bigint,
    (d.left_after - d.departed)::bigint AS left_before,
    d.left_after::bigint
FROM numbered AS d
INNER JOIN segments.event AS e ON d.lane_id = e.lane_id AND d.kafka_offset = e.kafka_offset
INNER JOIN segments.person AS p ON d.person_id = p.person_id
ORDER BY d.recorded_at, d.topic, d.partition, d.epoch, d.kafka_offset
LIMIT $3
