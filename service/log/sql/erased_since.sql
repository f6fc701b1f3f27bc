-- The people erased after an erasure. Parameters: the number of the erasure.
SELECT x.erasure_id, x.person_id FROM segments.erasure AS x WHERE x.erasure_id > $1
