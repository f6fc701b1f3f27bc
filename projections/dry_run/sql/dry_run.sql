-- The effects of commands at their place in the fold if they were received now: outcome, and their key's state before and
-- after. A run of commands that are not late continues from the key's state, each from the state after the one before it.
-- For a late command, older than the newest event of its key, the key is folded again from all its events in the log,
-- projected or not, and from the earlier commands of the same dry run.
-- For each command two rows, `after` false and true. If `time` is null the command would not be an event: outcome is null,
-- and only the state is meaningful. state, and newest (the time of the newest event, Unix seconds) are those of the key.
-- Parameters: the commands, columns nth, segment_key, person_id, user_status, time, expires_at (Unix seconds): $1 to $6;
-- their keys, columns segment_key, person_id, late, state as text (null: no events): $7 to $10; the earlier commands of
-- the late keys, with the columns of the commands: $11 to $16.
WITH asked AS MATERIALIZED (
    SELECT a.nth, a.segment_key, a.person_id, a.user_status, to_timestamp(a.time) AS time,
        to_timestamp(a.expires_at) AS expires_at,
        CASE WHEN k.late THEN a.nth ELSE 0 END AS run, k.state::segments.key_state AS start
    FROM unnest($1::bigint[], $2::integer[], $3::bigint[], $4::smallint[], $5::bigint[], $6::bigint[])
        AS a (nth, segment_key, person_id, user_status, time, expires_at)
    INNER JOIN unnest($7::integer[], $8::bigint[], $9::boolean[], $10::text[]) AS k (segment_key, person_id, late, state)
        ON a.segment_key = k.segment_key AND a.person_id = k.person_id
), said AS (
    SELECT a.run, s.nth, s.segment_key, s.person_id, s.user_status, to_timestamp(s.time) AS time,
        to_timestamp(s.expires_at) AS expires_at, NULL::segments.key_state AS start
    FROM unnest($11::bigint[], $12::integer[], $13::bigint[], $14::smallint[], $15::bigint[], $16::bigint[])
        AS s (nth, segment_key, person_id, user_status, time, expires_at)
    INNER JOIN asked AS a ON s.segment_key = a.segment_key AND s.person_id = a.person_id AND s.nth < a.run
    UNION ALL
    SELECT a.run, a.nth, a.segment_key, a.person_id, a.user_status, a.time, a.expires_at, a.start FROM asked AS a
), input AS (
    SELECT s.run, s.nth, s.segment_key, s.person_id, s.start, '' AS topic, 0 AS partition, 0 AS epoch,
        s.user_status, s.time, statement_timestamp() AS received_at, statement_timestamp() AS recorded_at,
        0 AS lane_id, s.nth AS kafka_offset, s.expires_at, NULL::integer AS expired_lane_id, NULL::bigint AS expired_offset
    FROM said AS s
    UNION ALL
    SELECT a.run, 0, a.segment_key, a.person_id, NULL, l.topic, l.partition, l.epoch,
        e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at,
        e.lane_id, e.kafka_offset, e.expires_at, e.expired_lane_id, e.expired_offset
    FROM asked AS a
    CROSS JOIN LATERAL (
        SELECT * FROM segments.event AS f
        WHERE f.segment_key = a.segment_key AND f.person_id = a.person_id
        OFFSET 0
    ) AS e
    INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
    WHERE a.run > 0
), folded AS (
    SELECT i.run, i.nth, i.segment_key, i.person_id, i.start, i.time,
        segments.fold(
            CASE WHEN i.run = 0 THEN i.start END, i.user_status, i.time, i.received_at, i.recorded_at,
            i.lane_id, i.kafka_offset, i.expires_at, i.expired_lane_id, i.expired_offset
        ) FILTER (WHERE i.time IS NOT NULL) OVER in_order AS state,
        max(i.time) FILTER (WHERE i.user_status <= 2) OVER in_order AS newest_override,
        lead(1) OVER in_order IS NULL AS is_last
    FROM input AS i
    WINDOW in_order AS (
        PARTITION BY i.run, i.segment_key, i.person_id
        -- A command is received last, so it comes after all events of the same second.
        ORDER BY CASE WHEN i.run > 0 THEN i.time END, i.nth, i.received_at, i.topic, i.partition, i.kafka_offset, i.epoch
        ROWS UNBOUNDED PRECEDING
    )
), stood AS (
    -- The effect of a command is in the state after it; for a late one the state now is the last of its run.
    SELECT f.run, f.nth, f.segment_key, f.person_id, f.start, f.time, coalesce(f.state, f.start) AS there,
        coalesce(lead(f.state) OVER late, f.state, f.start) AS after,
        coalesce(lead(f.newest_override) OVER late > f.time, false) AS superseded
    FROM folded AS f
    WHERE f.run IN (0, f.nth) OR f.is_last
    WINDOW late AS (PARTITION BY CASE WHEN f.run = 0 THEN f.nth ELSE f.run END ORDER BY f.is_last)
), told AS (
    SELECT s.nth, s.time, s.there, s.superseded, s.after,
        coalesce(lag(s.after) OVER (PARTITION BY s.segment_key, s.person_id ORDER BY s.nth), s.start) AS before
    FROM stood AS s
    WHERE s.run IN (0, s.nth)
)
SELECT t.nth, s.after,
    CASE WHEN t.time IS NOT NULL THEN segments.outcome(segments.outcome_code((t.there).effect, t.superseded)) END AS outcome,
    coalesce((s.state).is_member, false) AS is_member,
    segments.status_word((s.state).override) AS override,
    segments.status_word((s.state).automation_says) AS automation_says,
    (s.state).member_since AS member_since,
    (s.state).override_since AS override_since,
    (s.state).expires_at AS expires_at,
    extract(epoch FROM (s.state).last_timestamp)::bigint AS newest,
    s.state::text AS state
FROM told AS t
CROSS JOIN LATERAL (VALUES (false, t.before), (true, t.after)) AS s (after, state)
