-- As dry_run.sql, columns too, for commands of which none is earlier than what is known of its key: each goes on from the state that
-- the one before it left, the first from the state that is given.
-- Parameters: what is asked about, columns nth, segment_key, person_id, user_status, time (Unix seconds; null: no event),
-- expires_at (Unix seconds): $1 to $6; and where each key stands, columns segment_key, person_id, state as text (null:
-- nothing is known of it): $7 to $9.
WITH folded AS (
    SELECT a.nth, a.segment_key, a.person_id, a.time, k.state::segments.key_state AS start,
        segments.fold(
            k.state::segments.key_state, a.user_status, to_timestamp(a.time), statement_timestamp(), statement_timestamp(),
            0, a.nth, to_timestamp(a.expires_at), NULL::integer, NULL::bigint
        ) FILTER (WHERE a.time IS NOT NULL) OVER (
            PARTITION BY a.segment_key, a.person_id ORDER BY a.nth ROWS UNBOUNDED PRECEDING
        ) AS state
    FROM unnest($1::bigint[], $2::integer[], $3::bigint[], $4::smallint[], $5::bigint[], $6::bigint[])
        AS a (nth, segment_key, person_id, user_status, time, expires_at)
    INNER JOIN unnest($7::integer[], $8::bigint[], $9::text[]) AS k (segment_key, person_id, state)
        ON a.segment_key = k.segment_key AND a.person_id = k.person_id
), stood AS (
    SELECT f.nth, f.time, coalesce(f.state, f.start) AS there,
        coalesce(lag(f.state) OVER (PARTITION BY f.segment_key, f.person_id ORDER BY f.nth), f.start) AS before
    FROM folded AS f
)
SELECT f.nth, s.after,
    CASE -- as in reporting.result; nothing is later that could have superseded it
        WHEN f.time IS NULL THEN NULL
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
FROM stood AS f
CROSS JOIN LATERAL (VALUES (false, f.before), (true, f.there)) AS s (after, state)
