-- Compares the projection's tables with the fold of the log below the serving slot's checkpoints: the state of each key,
-- the ended intervals of its history, the outcomes of its events, and daily sizes. The log is folded once.
-- A row without a state is a difference: rows are made and filled in one transaction.
WITH folded AS MATERIALIZED (
    SELECT h.segment_key, h.person_id, h.lane_id, h.kafka_offset, h.user_status, h.status_change_timestamp, h.recorded_at,
        h.place, h.superseded, (h.state).effect, (h.state).is_member, (h.state).override,
        CASE WHEN h.is_last THEN h.state END AS state
    FROM projections.history AS h
), states AS (
    SELECT f.segment_key, f.person_id, f.state FROM folded AS f WHERE (f.state).is_member IS NOT NULL
), states_found AS (
    SELECT m.segment_key, m.person_id, m.state FROM projections.serving_membership AS m
), intervals AS (
    -- Compared as multisets.
    SELECT b.segment_key, b.person_id, b.interval, sum(b.times) AS times
    FROM (
        SELECT n.segment_key, n.person_id, 1 AS times, ROW(
            n.status_change_timestamp, n.valid_to, CASE WHEN n.is_change THEN n.lane_id END,
            CASE WHEN n.is_change THEN n.kafka_offset END, CASE WHEN n.is_change THEN n.user_status END,
            nullif(n.effect & 3, 0), n.is_member, n.override
        ) AS interval
        FROM (
            -- An interval begins with a change of (is_member, override), or a key's first event.
            SELECT f.*, f.effect & 3 <> 0 AS is_change,
                lead(f.status_change_timestamp) OVER (PARTITION BY f.segment_key, f.person_id ORDER BY f.place) AS valid_to
            FROM folded AS f WHERE f.effect & 3 <> 0 OR f.place = 1
        ) AS n
        WHERE n.valid_to IS NOT NULL
        UNION ALL
        SELECT i.segment_key, i.person_id, -1, ROW(
            i.valid_from, i.valid_to, i.lane_id, i.kafka_offset, i.user_status, i.effect::integer, i.is_member, i.override
        )
        FROM projections.past_interval AS i
        WHERE i.slot = (SELECT s.slot FROM projections.serving AS s)
    ) AS b
    GROUP BY b.segment_key, b.person_id, b.interval
    HAVING sum(b.times) <> 0
), outcomes AS (
    SELECT f.lane_id, f.kafka_offset >> 8 AS block, projections.with_codes(
        NULL, array_agg((f.kafka_offset & 255)::integer), array_agg(segments.outcome_code(f.effect, f.superseded))
    ) AS codes
    FROM folded AS f
    GROUP BY 1, 2
), outcomes_found AS (
    SELECT o.lane_id, o.block, o.codes FROM projections.serving_outcome AS o
), days AS (
    SELECT f.segment_key, (f.status_change_timestamp AT TIME ZONE 'UTC')::date AS day,
        count(*) FILTER (WHERE f.effect & 1 <> 0 AND f.is_member) AS joined,
        count(*) FILTER (WHERE f.effect & 1 <> 0 AND NOT f.is_member) AS departed, max(f.recorded_at) AS restated_at,
        count(*) FILTER (WHERE f.effect & 1 <> 0 AND f.user_status = 1) AS added,
        count(*) FILTER (WHERE f.effect & 1 <> 0 AND f.user_status = 2) AS blocked
    FROM folded AS f
    GROUP BY 1, 2
), days_found AS (
    SELECT z.segment_key, z.day, sum(z.joined) AS joined, sum(z.departed) AS departed, max(z.restated_at) AS restated_at,
        sum(z.added) AS added, sum(z.blocked) AS blocked
    FROM projections.serving_size_daily AS z
    GROUP BY 1, 2
)
(
    SELECT 'user_segment' AS view,
        concat_ws('/', s.network_id, coalesce(s.segment_id::text, 'segment key ' || segment_key),
            coalesce(p.user_id, 'person ' || person_id)) AS key,
        e.state::text AS expected,
        CASE WHEN s.segment_key IS NULL THEN 'no such segment: ' WHEN p.person_id IS NULL THEN 'no such person: ' ELSE '' END
            || CASE WHEN f.segment_key IS NOT NULL AND (f.state).is_member IS NULL THEN 'a row without a state'
                ELSE f.state::text END AS found
    FROM states AS e FULL JOIN states_found AS f USING (segment_key, person_id)
    LEFT JOIN segments.segment AS s USING (segment_key) LEFT JOIN segments.person AS p USING (person_id)
    WHERE e.state IS DISTINCT FROM f.state OR (e.state).is_member IS NULL OR s.segment_key IS NULL OR p.person_id IS NULL
    ORDER BY 2 LIMIT 100
)
UNION ALL
(
    SELECT 'membership_history',
        concat_ws('/', s.network_id, coalesce(s.segment_id::text, 'segment key ' || i.segment_key),
            coalesce(p.user_id, 'person ' || i.person_id)),
        CASE WHEN i.times > 0 THEN i.interval::text ELSE 'no such interval' END,
        CASE WHEN i.times > 0 THEN 'no such interval' ELSE i.interval::text END
    FROM intervals AS i
    LEFT JOIN segments.segment AS s ON i.segment_key = s.segment_key
    LEFT JOIN segments.person AS p ON i.person_id = p.person_id
    ORDER BY 2, 3, 4 LIMIT 100
)
UNION ALL
(
    SELECT 'result', concat_ws('-', coalesce(l.topic, 'lane ' || lane_id), l.partition, l.epoch, 256 * block + n.place),
        coalesce(nullif(get_byte(e.codes, n.place), 0)::text, 'none'), coalesce(nullif(get_byte(f.codes, n.place), 0)::text, 'none')
    FROM outcomes AS e FULL JOIN outcomes_found AS f USING (lane_id, block)
    LEFT JOIN segments.lane AS l USING (lane_id)
    CROSS JOIN generate_series(0, 255) AS n (place)
    WHERE e.codes IS DISTINCT FROM f.codes AND coalesce(get_byte(e.codes, n.place), 0) <> coalesce(get_byte(f.codes, n.place), 0)
    ORDER BY 2 LIMIT 100
)
UNION ALL
(
    SELECT 'segment_size_daily', concat_ws('/', s.network_id, s.segment_id, day),
        concat_ws('/', e.joined, e.departed, e.restated_at, e.added, e.blocked),
        concat_ws('/', f.joined, f.departed, f.restated_at, f.added, f.blocked)
    FROM days AS e FULL JOIN days_found AS f USING (segment_key, day)
    LEFT JOIN segments.segment AS s USING (segment_key)
    WHERE (e.joined, e.departed, e.restated_at, e.added, e.blocked)
        IS DISTINCT FROM (f.joined, f.departed, f.restated_at, f.added, f.blocked)
    ORDER BY 2 LIMIT 100
)
