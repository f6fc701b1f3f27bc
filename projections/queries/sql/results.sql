-- Rows of view result at some places of the log, each with its lane_id and a refused one's detail, in their order;
-- those of one network alone.
-- What events did is folded, once for those of a key between the same two kept states; the rest is as the view has it.
-- Parameters: $1 network_id, $2 lane_ids, $3 offsets.
WITH wanted AS MATERIALIZED (
    SELECT w.nth, l.lane_id, l.topic, l.partition, l.epoch, w.kafka_offset, e.segment_key, e.person_id,
        e.status_change_timestamp, coalesce(e.kafka_offset < c.next_offset, false) AS is_folded
    FROM unnest($2::integer[], $3::bigint[]) WITH ORDINALITY AS w (lane_id, kafka_offset, nth)
    INNER JOIN segments.lane AS l ON w.lane_id = l.lane_id
    LEFT JOIN projections.serving_checkpoint AS c
        ON
            l.lane_id = c.lane_id
    LEFT JOIN LATERAL (
        SELECT x.segment_key, x.person_id, x.kafka_offset, x.status_change_timestamp FROM segments.event AS x
        WHERE x.lane_id = w.lane_id AND x.kafka_offset = w.kafka_offset
        OFFSET 0
    ) AS e ON true
), stretches AS MATERIALIZED (
    SELECT t.segment_key, t.person_id, t.kept_at, min(t.status_change_timestamp) AS first_at,
        max(t.status_change_timestamp) AS last_at
    FROM (
        SELECT w.segment_key, w.person_id, w.status_change_timestamp, (
            SELECT max(k.status_change_timestamp) FROM projections.serving_kept_state AS k
            WHERE
                k.segment_key = w.segment_key AND k.person_id = w.person_id
                AND k.status_change_timestamp < w.status_change_timestamp
        ) AS kept_at
        FROM wanted AS w
        INNER JOIN segments.segment AS s ON w.segment_key = s.segment_key
        WHERE w.is_folded AND s.network_id = $1
    ) AS t
    GROUP BY t.segment_key, t.person_id, t.kept_at
), folded AS MATERIALIZED (
    SELECT h.lane_id, h.kafka_offset, h.outcome, (h.state).effect AS effect
    FROM stretches AS t
    CROSS JOIN LATERAL projections.history_between(t.segment_key, t.person_id, t.first_at, t.last_at) AS h
)
SELECT f.network_id, f.reference_id, f.segment_id, f.user_id, f.user_status, f.outcome, f.reason, f.changed_membership,
    f.changed_override, f.status_change_timestamp, f.received_at, f.kafka_topic, f.kafka_partition, f.kafka_epoch,
    f.kafka_offset, f.event_id, f.lane_id, j.detail
FROM (
    SELECT w.nth, s.network_id, e.reference_id, s.segment_id::bigint AS segment_id, p.user_id,
        segments.status_word(e.user_status) AS user_status,
        h.outcome, NULL::text AS reason, h.effect & 1 <> 0 AS changed_membership, h.effect & 2 <> 0 AS changed_override,
        e.status_change_timestamp, e.received_at, w.topic AS kafka_topic, w.partition AS kafka_partition,
        w.epoch AS kafka_epoch, w.kafka_offset,
        segments.event_id(w.topic, w.partition, w.epoch, w.kafka_offset) AS event_id, w.lane_id
    FROM wanted AS w
    INNER JOIN folded AS h ON w.lane_id = h.lane_id AND w.kafka_offset = h.kafka_offset
    CROSS JOIN LATERAL (
        SELECT x.* FROM segments.event AS x WHERE x.lane_id = w.lane_id AND x.kafka_offset = w.kafka_offset
        OFFSET 0
    ) AS e
    INNER JOIN segments.segment AS s ON w.segment_key = s.segment_key
    INNER JOIN segments.person AS p ON w.person_id = p.person_id
    WHERE s.network_id = $1
    UNION ALL
    SELECT w.nth, r.*, w.lane_id
    FROM wanted AS w
    CROSS JOIN LATERAL (
        SELECT v.* FROM reporting.result AS v
        WHERE
            v.kafka_topic = w.topic AND v.kafka_partition = w.partition AND v.kafka_epoch = w.epoch
            AND v.kafka_offset = w.kafka_offset AND v.network_id = $1
        OFFSET 0
    ) AS r
    WHERE NOT w.is_folded
) AS f
LEFT JOIN segments.rejected AS j ON f.lane_id = j.lane_id AND f.kafka_offset = j.kafka_offset
ORDER BY f.nth
