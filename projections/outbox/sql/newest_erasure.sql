-- The newest erasure, if not published yet. Erasures are serialised, so the greatest number is the newest.
SELECT max(x.erasure_id), segments.incarnation() FROM segments.erasure AS x
HAVING max(x.erasure_id) > (SELECT f.erasure_id FROM projections.tombstone_outbox AS f)
