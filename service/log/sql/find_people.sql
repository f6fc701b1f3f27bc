-- Find people. LATERAL and OFFSET 0 force one index look-up per person, whatever the planner's statistics.
-- Parameters: network_id[], user[] (normalised).
SELECT w.network_id, w.user_id, p.person_id, p.salt FROM unnest($1::text[], $2::text[]) AS w (network_id, user_id)
CROSS JOIN LATERAL (
    SELECT q.person_id, q.salt FROM segments.person AS q
    WHERE q.user_id = w.user_id AND q.network_id = w.network_id AND q.erased = 0
    OFFSET 0
) AS p
