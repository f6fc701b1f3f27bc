-- The newest erasure, where it was not published yet. Erasures come one at a time: the greatest number is the newest.
SELECT max(x.erasure_id), segments.incarnation() FROM segments.erasure AS x
HAVING max(x.erasure_id) > (SELECT f.erasure_id FROM projections.tombstone_outbox AS f)
