-- The intervals in which one user was a member of segments or overridden, newest first. Parameters: $1 network_id,
-- $2 user_id, $3 limit.
SELECT s.segment_id, i.valid_from, i.valid_to, i.is_member, segments.status_word(i.override) AS override
FROM segments.person AS p
CROSS JOIN LATERAL (
    SELECT n.segment_key, n.valid_from, n.valid_to, n.is_member, n.override FROM projections.serving_interval AS n
    WHERE n.person_id = p.person_id AND (n.is_member OR n.override > 0)
    OFFSET 0
) AS i
INNER JOIN segments.segment AS s ON i.segment_key = s.segment_key
WHERE p.network_id = $1 AND p.user_id = $2
ORDER BY i.valid_from DESC
LIMIT $3
