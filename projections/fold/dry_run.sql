-- What commands would do at their place in the fold, were they received now: outcome, and their key's state before and
-- after. Folded is all of the key that the log holds, projected or not, and what is said earlier in the same dry run.
-- Of every command asked about two rows, `after` false and true; none if nothing is or would be known of its key.
-- outcome is null where `time` is: the command would be no event, and only the state is asked for. state and newest, the
-- time of the newest event in Unix seconds, say where the key stands: dry_run_straight.sql goes on from there.
-- Parameters: what is asked about, columns nth, segment_key, person_id, time, and what is said, columns nth, segment_key,
-- person_id, user_status, time, expires_at (Unix seconds): $1 to $4 and $5 to $10.
WITH said AS MATERIALIZED (
    SELECT s.nth, s.segment_key, s.person_id, s.user_status, to_timestamp(s.time) AS time, to_timestamp(s.expires_at) AS expires_at
    FROM unnest($5::bigint[], $6::integer[], $7::bigint[], $8::smallint[], $9::bigint[], $10::bigint[])
        AS s (nth, segment_key, person_id, user_status, time, expires_at)
), asked AS MATERIALIZED (
    SELECT a.nth, a.segment_key, a.person_id, to_timestamp(a.time) AS time
    FROM unnest($1::bigint[], $2::integer[], $3::bigint[], $4::bigint[]) AS a (nth, segment_key, person_id, time)
), input AS (
    SELECT a.nth AS asked, a.time AS asked_time, 0 AS nth, l.topic, l.partition, l.epoch,
        e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at,
        e.lane_id, e.kafka_offset, e.expires_at, e.expired_lane_id, e.expired_offset
    FROM asked AS a
    CROSS JOIN LATERAL (
        SELECT * FROM segments.event AS f
        WHERE f.segment_key = a.segment_key AND f.person_id = a.person_id
        OFFSET 0
    ) AS e
    INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
    UNION ALL
    SELECT a.nth, a.time, s.nth, '', 0, 0,
        s.user_status, s.time, statement_timestamp(), statement_timestamp(),
        0, s.nth, s.expires_at, NULL, NULL
    FROM asked AS a
    INNER JOIN said AS s ON a.segment_key = s.segment_key AND a.person_id = s.person_id AND a.nth >= s.nth
), folded AS (
    -- Received last, a command comes after all that is said of its second: what it does is in the state after these.
    SELECT i.asked, i.asked_time,
        segments.fold(
            NULL::segments.key_state, i.user_status, i.status_change_timestamp, i.received_at, i.recorded_at,
            i.lane_id, i.kafka_offset, i.expires_at, i.expired_lane_id, i.expired_offset
            ORDER BY i.status_change_timestamp, i.nth, i.received_at, i.topic, i.partition, i.kafka_offset, i.epoch
        ) FILTER (WHERE i.nth < i.asked) AS before,
        segments.fold(
            NULL::segments.key_state, i.user_status, i.status_change_timestamp, i.received_at, i.recorded_at,
            i.lane_id, i.kafka_offset, i.expires_at, i.expired_lane_id, i.expired_offset
            ORDER BY i.status_change_timestamp, i.nth, i.received_at, i.topic, i.partition, i.kafka_offset, i.epoch
        ) FILTER (WHERE i.status_change_timestamp <= i.asked_time) AS there,
        segments.fold(
            NULL::segments.key_state, i.user_status, i.status_change_timestamp, i.received_at, i.recorded_at,
            i.lane_id, i.kafka_offset, i.expires_at, i.expired_lane_id, i.expired_offset
            ORDER BY i.status_change_timestamp, i.nth, i.received_at, i.topic, i.partition, i.kafka_offset, i.epoch
        ) AS after,
        bool_or(i.user_status <= 2 AND i.status_change_timestamp > i.asked_time) AS superseded
    FROM input AS i
    GROUP BY i.asked, i.asked_time
)
SELECT f.asked AS nth, s.after,
    CASE -- as in reporting.result
        WHEN f.asked_time IS NULL THEN NULL
        WHEN f.superseded THEN 'superseded'
        WHEN (f.there).effect & 8 <> 0 THEN 'ineffective'
        WHEN (f.there).effect & 7 = 0 THEN 'no_change'
        ELSE 'applied'
    END AS outcome,
    coalesce((s.state).is_member, false) AS is_member,
    ('{add,block}'::text[])[(s.state).override] AS override,
    ('{add,block,reset,enter,leave,expire}'::text[])[(s.state).automation_says] AS automation_says,
    (s.state).member_since AS member_since,
    (s.state).override_since AS override_since,
    (s.state).expires_at AS expires_at,
    extract(epoch FROM (s.state).last_timestamp)::bigint AS newest,
    s.state::text AS state
FROM folded AS f
CROSS JOIN LATERAL (VALUES (false, f.before), (true, f.after)) AS s (after, state)
