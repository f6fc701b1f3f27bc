-- All keys, page by page. Parameters: segment_key and person_id to continue after, limit.
SELECT m.segment_key, m.person_id FROM projections.serving_membership AS m
WHERE (m.segment_key, m.person_id) > ($1, $2)
ORDER BY m.segment_key, m.person_id LIMIT $3
