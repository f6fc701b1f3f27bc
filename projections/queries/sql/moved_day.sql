-- The commands that came after a UTC day of a segment was over and happened on it or earlier, newest first: whether each altered
-- the day, and the day's numbers before and after it. Only their users are folded.
-- Parameters: $1 segment_key, $2 day, $3 limit; the command to go on after, or nulls: $4 recorded_at, $5 topic, $6 partition,
-- $7 epoch, $8 offset; and the numbers before it: $9 members, $10 joined, $11 left.
WITH day_now AS MATERIALIZED (
    SELECT
        coalesce(sum(z.joined - z.departed), 0)::bigint AS members,
        coalesce(sum(z.joined) FILTER (WHERE z.day = $2::date), 0)::bigint AS joined,
        coalesce(sum(z.departed) FILTER (WHERE z.day = $2), 0)::bigint AS departed,
        -- What was recorded later happened later.
        max(z.restated_at) AS restated_at
    FROM projections.serving_size_daily AS z
    WHERE z.segment_key = $1::integer AND z.day <= $2
), late AS MATERIALIZED (
    SELECT e.person_id, e.lane_id, e.kafka_offset, e.recorded_at, l.topic, l.partition, l.epoch
    FROM segments.event AS e
    INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
    INNER JOIN projections.serving_checkpoint AS c ON e.lane_id = c.lane_id AND e.kafka_offset < c.next_offset
    WHERE
        e.segment_key = $1
        AND (e.recorded_at AT TIME ZONE 'UTC')::date > (e.status_change_timestamp AT TIME ZONE 'UTC')::date
        AND e.recorded_at >= ($2 + 1)::timestamp AT TIME ZONE 'UTC'
        AND e.recorded_at <= coalesce($4::timestamptz, (SELECT n.restated_at FROM day_now AS n))
        AND e.status_change_timestamp < ($2 + 1)::timestamp AT TIME ZONE 'UTC'
        AND (
            $4 IS NULL
            OR (e.recorded_at, l.topic, l.partition, l.epoch, e.kafka_offset)
            < ($4, $5::text, $6::integer, $7::integer, $8::bigint)
        )
    ORDER BY e.recorded_at DESC, l.topic DESC, l.partition DESC, l.epoch DESC, e.kafka_offset DESC
    LIMIT $3
), altered AS (
    SELECT
        c.lane_id, c.kafka_offset,
        sum(c.joined - c.departed) AS members,
        coalesce(sum(c.joined) FILTER (WHERE c.day = $2), 0) AS joined,
        coalesce(sum(c.departed) FILTER (WHERE c.day = $2), 0) AS departed,
        sum(c.joined - c.departed) <> 0 OR count(*) FILTER (WHERE c.day = $2) > 0 AS is_altering
    FROM (SELECT DISTINCT k.person_id FROM late AS k) AS k
    CROSS JOIN LATERAL projections.key_day_changes($1, k.person_id, NULL, NULL, NULL) AS c
    WHERE c.day <= $2
    GROUP BY c.lane_id, c.kafka_offset
), numbered AS (
    -- The numbers now, less what later events changed.
    SELECT
        k.*,
        coalesce(a.is_altering, false) AS is_altering,
        coalesce(a.members, 0) AS members,
        coalesce(a.joined, 0) AS joined,
        coalesce(a.departed, 0) AS departed,
        coalesce($9::bigint, n.members) - sum(coalesce(a.members, 0)) OVER newest_first + coalesce(a.members, 0) AS members_after,
        coalesce($10::bigint, n.joined) - sum(coalesce(a.joined, 0)) OVER newest_first + coalesce(a.joined, 0) AS joined_after,
        coalesce($11::bigint, n.departed) - sum(coalesce(a.departed, 0)) OVER newest_first + coalesce(a.departed, 0) AS left_after
    FROM late AS k CROSS JOIN day_now AS n
    LEFT JOIN altered AS a ON k.lane_id = a.lane_id AND k.kafka_offset = a.kafka_offset
    WINDOW newest_first AS (
        ORDER BY k.recorded_at DESC, k.topic DESC, k.partition DESC, k.epoch DESC, k.kafka_offset DESC
        ROWS UNBOUNDED PRECEDING
    )
)
SELECT
    d.is_altering,
    d.recorded_at,
    e.status_change_timestamp,
    p.user_id,
    segments.status_word(e.user_status) AS user_status,
    coalesce(e.source, 'kafka') AS source,
    e.actor,
    d.topic,
    d.partition,
    d.epoch,
    d.kafka_offset,
    (d.members_after - d.members)::bigint AS members_before,
    d.members_after::bigint,
    (d.joined_after - d.joined)::bigint AS joined_before,
    d.joined_after::bigint,
    (d.left_after - d.departed)::bigint AS left_before,
    d.left_after::bigint
FROM numbered AS d
INNER JOIN segments.event AS e ON d.lane_id = e.lane_id AND d.kafka_offset = e.kafka_offset
INNER JOIN segments.person AS p ON d.person_id = p.person_id
ORDER BY d.recorded_at DESC, d.topic DESC, d.partition DESC, d.epoch DESC, d.kafka_offset DESC
