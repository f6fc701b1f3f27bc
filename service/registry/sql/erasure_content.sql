-- What an erasure of a person blanks, or has blanked. No row without such a person.
-- Parameters: network_id, user_id as normalised, whether records of topics that may not carry the network are left out.
SELECT
    p.is_erased,
    e.segments,
    e.events,
    e.texts,
    r.rejected
FROM (
    -- Records of topics that may not carry the network belong to a person without network.
    SELECT array_agg(o.person_id) AS people, bool_or(o.erased <> 0) AS is_erased FROM segments.person AS o
    WHERE o.user_id = $2 AND o.network_id = $1 OR o.user_id = $1 || ':' || $2 AND o.network_id = '' AND NOT $3
) AS p
CROSS JOIN LATERAL (
    SELECT
        count(DISTINCT x.segment_key) AS segments,
        count(*) AS events,
        count(*) FILTER (WHERE num_nulls(x.user_sent, x.description, x.metadata) < 3 OR x.blanked IS NOT NULL) AS texts
    FROM segments.event AS x WHERE x.person_id = ANY (p.people)
) AS e
CROSS JOIN LATERAL (
    SELECT count(*) AS rejected FROM segments.rejected AS x
    WHERE x.person_id = ANY (p.people) OR x.key_person_id = ANY (p.people)
) AS r
WHERE p.people IS NOT NULL
