-- The versions of a segment in the registry, newest first. Parameters: $1 network_id, $2 segment_id, $3 limit.
SELECT segment_name, description, is_visible, archived, valid_from, actor, reason
FROM reporting.segment_history
WHERE network_id = $1 AND segment_id = $2
ORDER BY valid_from DESC
LIMIT $3
