-- All keys, page by page. Parameters: segment_key and person_id to go on after, how many.
SELECT m.segment_key, m.person_id FROM projections.membership AS m
WHERE m.slot = (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership')
    AND (m.segment_key, m.person_id) > ($1, $2)
ORDER BY m.segment_key, m.person_id LIMIT $3
