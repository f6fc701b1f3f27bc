-- Those of some identifiers that are names of erased people. Parameters: network_id[], user[].
SELECT w.network_id, w.user_id FROM unnest($1::text[], $2::text[]) AS w (network_id, user_id)
WHERE EXISTS (
    SELECT FROM segments.person AS p
    WHERE p.user_id = w.user_id AND p.network_id = w.network_id AND p.erased <> 0
)
