-- The keys of people whose erasure is not published yet. Parameters: the newest erasure.
SELECT m.segment_key, m.person_id FROM segments.erasure AS x
INNER JOIN projections.serving_membership AS m ON m.person_id = x.person_id
WHERE x.erasure_id > (SELECT f.erasure_id FROM projections.tombstone_outbox AS f) AND x.erasure_id <= $1
