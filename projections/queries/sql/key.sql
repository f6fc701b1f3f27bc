-- The key of a user in a segment. Parameters: network_id, segment_id, user as sent.
SELECT s.segment_key, p.person_id, p.user_id
FROM segments.segment AS s INNER JOIN segments.person AS p ON p.network_id = s.network_id
WHERE s.network_id = $1 AND s.segment_id = $2 AND p.user_id IN ($3, reporting.normalise_user($3))
