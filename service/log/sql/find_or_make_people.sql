-- Find people, and make the missing ones. If two sessions make the same person, the second gets no row here and finds it in the
-- next call. LATERAL and OFFSET 0 force one index look-up per person, whatever the planner's statistics.
-- Parameters: network_id[], user[] (normalised), salt[] for new people.
WITH wanted AS MATERIALIZED (
    SELECT w.network_id, w.user_id, w.salt AS new_salt, p.person_id, p.salt
    FROM unnest($1::text[], $2::text[], $3::bytea[]) AS w (network_id, user_id, salt)
    LEFT JOIN LATERAL (
        SELECT q.person_id, q.salt FROM segments.person AS q
        WHERE q.user_id = w.user_id AND q.network_id = w.network_id AND q.erased = 0
        OFFSET 0
    ) AS p ON true
), made AS (
    INSERT INTO segments.person (network_id, user_id, salt)
    SELECT a.network_id, a.user_id, a.new_salt FROM wanted AS a WHERE a.person_id IS NULL
    ORDER BY a.user_id, a.network_id
    ON CONFLICT DO NOTHING RETURNING network_id, user_id, person_id, salt
)
SELECT network_id, user_id, person_id, salt, false AS is_new FROM wanted WHERE person_id IS NOT NULL
UNION ALL
SELECT network_id, user_id, person_id, salt, true FROM made
