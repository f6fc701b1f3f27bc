-- Events of a key, newest first in the fold's order, each with its effect and the state after it.
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
), folded AS MATERIALIZED (
    SELECT h.* FROM (
        SELECT min(s.status_change_timestamp) AS first_at, max(s.status_change_timestamp) AS last_at FROM shown AS s
    ) AS t
    CROSS JOIN LATERAL projections.history_between($1, $2, t.first_at, t.last_at) AS h
    WHERE t.first_at IS NOT NULL
)
SELECT segments.event_id(s.topic, s.partition, s.epoch, s.kafka_offset) AS event_id, s.status_change_timestamp,
    s.received_at, segments.status_word(s.user_status) AS user_status,
    coalesce(h.outcome, 'queued') AS outcome, (h.state).effect & 1 <> 0 AS changed_membership,
    (h.state).effect & 2 <> 0 AS changed_override, s.reference_id, coalesce(s.source, 'kafka') AS source, s.actor,
    s.description, s.expires_at, s.topic AS kafka_topic, s.partition AS kafka_partition, s.epoch AS kafka_epoch,
    s.kafka_offset, (h.state).is_member AS is_member_after,
    segments.status_word((h.state).override) AS override_after, s.lane_id
FROM shown AS s
-- FULL, then filtered, because a full join is always hashed or merged; a nested loop would be quadratic in the page.
FULL JOIN folded AS h ON s.lane_id = h.lane_id AND s.kafka_offset = h.kafka_offset
WHERE coalesce(s.lane_id, 0) > 0
ORDER BY s.status_change_timestamp DESC, s.received_at DESC, s.topic DESC, s.partition DESC, s.kafka_offset DESC,
    s.epoch DESC
