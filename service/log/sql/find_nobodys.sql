-- The people who were erased in another installation, by index from 1. Parameters: network_id[], the number of the erasure there[].
SELECT w.nth, p.person_id
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS w (network_id, number, nth)
INNER JOIN segments.person AS p
    ON p.user_id = 'erased:' || w.number AND p.network_id = w.network_id AND p.erased = -w.number
