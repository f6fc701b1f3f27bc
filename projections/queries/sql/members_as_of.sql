-- The keys of one segment by person_id as they were at a time, from their stored states and intervals: member or not, and the
-- cause. An interval that a pin or an unpin began goes on with an earlier membership, whose event is that of the last interval
-- that began one.
-- OFFSET 0 forces index look-ups, whatever number of rows the planner expects.
-- Parameters: $1 segment_key, $2 person_id to continue after, $3 limit, $4 the time.
SELECT
    k.person_id,
    i.is_member,
    p.user_id,
    e.status_change_timestamp AS since,
    segments.status_word(e.user_status) AS cause,
    segments.status_word(i.override) AS override,
    e.reference_id,
    e.description,
    e.metadata,
    CASE
        WHEN (k.state).last_timestamp <= $4 THEN (k.state).last_recorded_at
        WHEN i.is_member THEN (
            SELECT max(x.recorded_at) FROM segments.event AS x
            INNER JOIN projections.serving_checkpoint AS c ON x.lane_id = c.lane_id AND x.kafka_offset < c.next_offset
            WHERE x.person_id = k.person_id AND x.segment_key = $1 AND x.status_change_timestamp <= $4
        )
    END AS last_recorded_at,
    (
        SELECT segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset) FROM segments.lane AS l WHERE l.lane_id = e.lane_id
    ) AS event_id,
    coalesce(e.source, 'kafka') AS source,
    e.actor
FROM (
    SELECT m.person_id, m.state, m.valid_from, m.is_member, m.override FROM projections.serving_membership AS m
    WHERE m.segment_key = $1 AND m.person_id > $2
    ORDER BY m.person_id
    LIMIT $3::integer
) AS k
-- The interval that the time lies in. The last one may have begun later than that.
LEFT JOIN LATERAL (
    SELECT o.valid_from, o.effect, o.is_member, o.override, o.lane_id, o.kafka_offset FROM projections.serving_interval AS o
    WHERE k.valid_from > $4::timestamptz
        AND o.person_id = k.person_id AND o.segment_key = $1 AND o.valid_from <= $4 AND o.valid_to > $4
    ORDER BY o.valid_from DESC
    LIMIT 1
) AS o ON true
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN k.valid_from <= $4 THEN k.is_member ELSE o.is_member END AS is_member,
        CASE WHEN k.valid_from <= $4 THEN k.override ELSE o.override END AS override
) AS i
-- The last interval before that began a membership. Within a second, the order of the events decides.
LEFT JOIN LATERAL (
    SELECT b.lane_id, b.kafka_offset
    FROM projections.serving_interval AS b
    INNER JOIN segments.event AS x ON b.lane_id = x.lane_id AND b.kafka_offset = x.kafka_offset
    INNER JOIN segments.lane AS l ON b.lane_id = l.lane_id
    WHERE
        o.is_member AND o.effect & 1 = 0
        AND b.person_id = k.person_id AND b.segment_key = $1 AND b.valid_to IS NOT NULL AND b.is_member AND b.effect & 1 <> 0
        AND b.valid_from = (
            SELECT a.valid_from FROM projections.serving_interval AS a
            WHERE
                a.person_id = k.person_id AND a.segment_key = $1 AND a.valid_to IS NOT NULL AND a.is_member AND a.effect & 1 <> 0
                AND a.valid_from <= o.valid_from
            ORDER BY a.valid_from DESC
            LIMIT 1
        )
    ORDER BY x.received_at DESC, l.topic DESC, l.partition DESC, b.kafka_offset DESC, l.epoch DESC
    LIMIT 1
) AS b ON true
LEFT JOIN LATERAL (
    SELECT q.user_id FROM segments.person AS q WHERE q.person_id = k.person_id AND i.is_member
    OFFSET 0
) AS p ON true
LEFT JOIN LATERAL (
    SELECT x.lane_id, x.kafka_offset, x.status_change_timestamp, x.user_status, x.reference_id, x.description, x.metadata,
        x.source, x.actor
    FROM segments.event AS x
    WHERE
        i.is_member
        AND x.lane_id = CASE WHEN k.valid_from <= $4 THEN (k.state).member_lane_id ELSE coalesce(b.lane_id, o.lane_id) END
        AND x.kafka_offset = CASE WHEN k.valid_from <= $4 THEN (k.state).member_offset ELSE coalesce(b.kafka_offset, o.kafka_offset) END
    OFFSET 0
) AS e ON true
ORDER BY k.person_id
