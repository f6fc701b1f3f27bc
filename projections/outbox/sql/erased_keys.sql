-- The keys of people whose erasure was not published yet. Parameters: the newest erasure.
SELECT m.segment_key, m.person_id FROM segments.erasure AS x
INNER JOIN projections.membership AS m ON m.person_id = x.person_id
    AND m.slot = (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership')
WHERE x.erasure_id > (SELECT f.erasure_id FROM projections.tombstone_outbox AS f) AND x.erasure_id <= $1
