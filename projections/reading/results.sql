-- Rows of view result at some places of the log, with a refused one's detail, in their order; of one network alone.
-- A key that has several of the events is folded once for all of them: its whole rows are read, and these are taken.
-- Parameters: $1 network_id, $2 lane_ids, $3 offsets.
WITH wanted AS MATERIALIZED (
    SELECT w.nth, w.lane_id, l.topic, l.partition, l.epoch, w.kafka_offset, e.segment_key, e.person_id,
        e.person_id IS NOT NULL AND count(*) OVER (PARTITION BY e.segment_key, e.person_id) > 1 AS of_one_key
    FROM unnest($2::integer[], $3::bigint[]) WITH ORDINALITY AS w (lane_id, kafka_offset, nth)
    INNER JOIN segments.lane AS l ON w.lane_id = l.lane_id
    LEFT JOIN LATERAL (
        SELECT x.segment_key, x.person_id FROM segments.event AS x
        WHERE x.lane_id = w.lane_id AND x.kafka_offset = w.kafka_offset
        OFFSET 0
    ) AS e ON true
), of_keys AS MATERIALIZED (
    SELECT r
    FROM (SELECT DISTINCT w.segment_key, w.person_id FROM wanted AS w WHERE w.of_one_key) AS k
    INNER JOIN segments.segment AS s ON k.segment_key = s.segment_key
    INNER JOIN segments.person AS p ON k.person_id = p.person_id
    CROSS JOIN LATERAL (
        SELECT v.* FROM reporting.result AS v
        WHERE v.network_id = $1 AND v.segment_id = s.segment_id AND v.user_id = p.user_id
        OFFSET 0
    ) AS r
    WHERE s.network_id = $1
)
SELECT (f.r).*, j.detail
FROM (
    SELECT w.nth, w.lane_id, r
    FROM wanted AS w
    CROSS JOIN LATERAL (
        SELECT v.* FROM reporting.result AS v
        WHERE
            v.kafka_topic = w.topic AND v.kafka_partition = w.partition AND v.kafka_epoch = w.epoch
            AND v.kafka_offset = w.kafka_offset AND v.network_id = $1
        OFFSET 0
    ) AS r
    WHERE NOT w.of_one_key
    UNION ALL
    SELECT w.nth, w.lane_id, o.r
    FROM wanted AS w
    INNER JOIN of_keys AS o
        ON
            w.kafka_offset = (o.r).kafka_offset AND w.partition = (o.r).kafka_partition
            AND w.epoch = (o.r).kafka_epoch AND w.topic = (o.r).kafka_topic
    WHERE w.of_one_key
) AS f
LEFT JOIN segments.rejected AS j ON f.lane_id = j.lane_id AND (f.r).kafka_offset = j.kafka_offset
ORDER BY f.nth
