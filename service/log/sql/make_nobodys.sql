-- Make the missing people who were erased in another installation, unless their name is taken here.
-- Parameters: network_id[], the number of the erasure there[].
INSERT INTO segments.person (network_id, user_id, salt, erased)
SELECT DISTINCT w.network_id, 'erased:' || w.number, ''::bytea, -w.number
FROM unnest($1::text[], $2::bigint[]) AS w (network_id, number)
WHERE NOT EXISTS (
    SELECT FROM segments.person AS p WHERE p.user_id = 'erased:' || w.number AND p.network_id = w.network_id
)
ORDER BY 2, 1
ON CONFLICT DO NOTHING
