-- Events of a key, newest first in the fold's order, each with its effect and the state after it, from the outcomes and
-- intervals that are kept: an event that changed the state began an interval, and any other one left that before it.
-- Of a long key only the events after one kept state are read: the newest with enough events after it to fill the page.
-- Parameters: $1 segment_key, $2 person_id, $3 limit; $4 lane_id and $5 offset of the event to continue before, or null;
-- $6 the least number of events between two kept states.
WITH begins AS MATERIALIZED (
    SELECT x.status_change_timestamp, x.received_at, l.topic, l.partition, x.kafka_offset, l.epoch
    FROM segments.event AS x INNER JOIN segments.lane AS l ON x.lane_id = l.lane_id
    WHERE x.lane_id = $4 AND x.kafka_offset = $5
), reach AS MATERIALIZED (
    SELECT k.status_change_timestamp FROM projections.serving_kept_state AS k
    WHERE
        k.person_id = $2 AND k.segment_key = $1
        -- One second earlier: some events within the same second come after the event to continue before.
        AND k.status_change_timestamp < coalesce((SELECT b.status_change_timestamp FROM begins AS b), 'infinity')
    ORDER BY k.status_change_timestamp DESC
    OFFSET ($3::integer + $6::integer - 1) / $6::integer + 1
    LIMIT 1
), shown AS MATERIALIZED (
    SELECT e.lane_id, e.kafka_offset, e.user_status, e.status_change_timestamp, e.received_at, e.reference_id, e.source,
        e.actor, e.description, e.expires_at, l.topic, l.partition, l.epoch
    FROM segments.event AS e
    INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
    WHERE
        e.person_id = $2 AND e.segment_key = $1
        AND e.status_change_timestamp <= coalesce((SELECT b.status_change_timestamp FROM begins AS b), 'infinity')
        AND e.status_change_timestamp >= coalesce((SELECT r.status_change_timestamp FROM reach AS r), '-infinity')
        AND (
            $4::integer IS NULL
            OR (e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch)
            < (SELECT b.status_change_timestamp, b.received_at, b.topic, b.partition, b.kafka_offset, b.epoch FROM begins AS b)
        )
    ORDER BY e.status_change_timestamp DESC, e.received_at DESC, l.topic DESC, l.partition DESC, e.kafka_offset DESC,
        l.epoch DESC
    LIMIT $3::integer
), known AS MATERIALIZED (
    -- The intervals that began with the events shown, and the last ones before them.
    SELECT i.lane_id, i.kafka_offset, i.valid_from, i.is_member, i.override
    FROM projections.serving_interval AS i
    WHERE
        i.person_id = $2 AND i.segment_key = $1
        AND i.valid_from <= (SELECT max(s.status_change_timestamp) FROM shown AS s)
        AND i.valid_from >= coalesce((
            SELECT j.valid_from FROM projections.serving_interval AS j
            WHERE
                j.person_id = $2 AND j.segment_key = $1
                AND j.valid_from < (SELECT min(s.status_change_timestamp) FROM shown AS s)
            ORDER BY j.valid_from DESC
            LIMIT 1
        ), '-infinity')
), timeline AS (
    SELECT s.*, NULL::boolean AS is_member, NULL::smallint AS override FROM shown AS s
    UNION ALL
    SELECT NULL, k.kafka_offset, NULL, k.valid_from, coalesce(x.received_at, '-infinity'), NULL, NULL, NULL, NULL, NULL, l.topic,
        l.partition, l.epoch, k.is_member, k.override
    FROM known AS k
    LEFT JOIN segments.lane AS l ON k.lane_id = l.lane_id
    LEFT JOIN LATERAL (
        SELECT e.received_at FROM segments.event AS e WHERE e.lane_id = k.lane_id AND e.kafka_offset = k.kafka_offset
        OFFSET 0
    ) AS x ON true
), numbered AS (
    SELECT t.*, count(t.is_member) OVER (
        ORDER BY t.status_change_timestamp, t.received_at, t.topic, t.partition, t.kafka_offset, t.epoch, t.lane_id NULLS FIRST
        ROWS UNBOUNDED PRECEDING
    ) AS interval_number
    FROM timeline AS t
), stated AS (
    SELECT
        n.lane_id, n.kafka_offset, n.user_status, n.status_change_timestamp, n.received_at, n.reference_id, n.source,
        n.actor, n.description, n.expires_at, n.topic, n.partition, n.epoch,
        bool_or(n.is_member) OVER of_interval AS is_member,
        max(n.override) OVER of_interval AS override,
        (
            SELECT projections.code_in(o.codes, n.kafka_offset) FROM projections.serving_outcome AS o
            WHERE o.lane_id = n.lane_id AND o.block = n.kafka_offset >> 8
        ) AS code
    FROM numbered AS n
    WINDOW of_interval AS (PARTITION BY n.interval_number)
)
SELECT segments.event_id(s.topic, s.partition, s.epoch, s.kafka_offset) AS event_id, s.status_change_timestamp,
    s.received_at, segments.status_word(s.user_status) AS user_status,
    segments.outcome(s.code) AS outcome, nullif(s.code, 0) & 1 <> 0 AS changed_membership,
    nullif(s.code, 0) & 2 <> 0 AS changed_override, s.reference_id, coalesce(s.source, 'kafka') AS source, s.actor,
    s.description, s.expires_at, s.topic AS kafka_topic, s.partition AS kafka_partition, s.epoch AS kafka_epoch,
    s.kafka_offset, CASE WHEN s.code > 0 THEN s.is_member END AS is_member_after,
    CASE WHEN s.code > 0 THEN segments.status_word(s.override) END AS override_after, s.lane_id
FROM stated AS s
WHERE s.lane_id IS NOT NULL
ORDER BY s.status_change_timestamp DESC, s.received_at DESC, s.topic DESC, s.partition DESC, s.kafka_offset DESC,
    s.epoch DESC
