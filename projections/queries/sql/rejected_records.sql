-- Rejected records of a network, a reason and a topic, newest first, each with its last retry and what became of that.
-- Parameters: $1 network_id, $2 reason, $3 topic, $4 retried ones or others, or null for both, $5 recorded_at, $6 partition
-- and $7 offset of the record to continue before, $8 limit, $9 the position of the one whose payload is wanted, or null.
WITH page AS MATERIALIZED (
    SELECT
        r.lane_id, r.kafka_offset, r.recorded_at, r.received_at, r.detail, r.reference_id, r.segment_id, r.person_id,
        r.user_status, r.payload_text, r.payload IS NOT NULL AS has_payload, y.retried_at, y.retried_as, y.actor AS retried_by,
        l.topic || ':' || l.partition || ':' || l.epoch || ':' || r.kafka_offset AS position, l.partition
    FROM segments.rejected AS r
    INNER JOIN segments.lane AS l ON r.lane_id = l.lane_id
    LEFT JOIN LATERAL (
        SELECT t.retried_at, t.retried_as, t.actor FROM segments.retry AS t
        WHERE t.lane_id = r.lane_id AND t.kafka_offset = r.kafka_offset ORDER BY t.retry_id DESC LIMIT 1
    ) AS y ON true
    WHERE
        r.network_id = $1 AND r.reason = $2 AND l.topic = $3
        AND ($4::boolean IS NULL OR (y.retried_at IS NOT NULL) = $4)
        -- Of one table, so that the index begins here.
        AND r.recorded_at <= $5::timestamptz
        AND (r.recorded_at, l.partition, r.kafka_offset) < ($5, $6::integer, $7::bigint)
    ORDER BY r.recorded_at DESC, l.partition DESC, r.kafka_offset DESC
    LIMIT $8
)
SELECT
    g.position, g.recorded_at, g.received_at, g.partition, g.kafka_offset, g.detail, g.reference_id, g.segment_id,
    g.user_status, g.has_payload, g.retried_at, g.retried_as, g.retried_by, o.outcome, o.reason AS outcome_reason,
    CASE WHEN g.position = $9::text THEN coalesce(g.payload_text, '') END AS payload_text,
    CASE WHEN g.position = $9 THEN p.user_id END AS user_id
FROM page AS g
LEFT JOIN segments.person AS p ON g.person_id = p.person_id
LEFT JOIN LATERAL (
    SELECT x.outcome, x.reason FROM reporting.result AS x
    WHERE x.kafka_topic = split_part(g.retried_as, ':', 1) AND x.kafka_partition = split_part(g.retried_as, ':', 2)::integer
        AND x.kafka_epoch = split_part(g.retried_as, ':', 3)::integer
        AND x.kafka_offset = split_part(g.retried_as, ':', 4)::bigint
    OFFSET 0
) AS o ON true
ORDER BY g.recorded_at DESC, g.partition DESC, g.kafka_offset DESC
