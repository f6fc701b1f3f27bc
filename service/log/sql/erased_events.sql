-- The number of events of erased people, looked up for each of these people; there are few.
SELECT count(*)
FROM segments.erasure AS x
CROSS JOIN LATERAL (
    SELECT FROM segments.event AS e WHERE e.person_id = x.person_id
    OFFSET 0
) AS e
