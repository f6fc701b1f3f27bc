-- People whose erasure differs from its record. Others are covered by the digests of their events.
-- Parameters: limit.
SELECT p.person_id::text AS key FROM segments.person AS p
LEFT JOIN segments.erasure AS x ON p.erased = x.erasure_id
WHERE (p.erased > 0 AND (p.user_id, p.salt, x.person_id) IS DISTINCT FROM ('erased:' || p.erased, ''::bytea, p.person_id))
    OR (p.erased = 0 AND EXISTS (SELECT FROM segments.erasure AS y WHERE y.person_id = p.person_id))
ORDER BY p.person_id LIMIT $1
