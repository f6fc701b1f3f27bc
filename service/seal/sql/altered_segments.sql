-- Segments that differ from the newest change in the registry. Parameters: limit.
SELECT s.network_id || ':' || s.segment_id AS key FROM segments.segment AS s
LEFT JOIN LATERAL (
    SELECT x.segment_name, x.description, x.is_visible, x.archived FROM segments.registry_event AS x
    WHERE x.segment_key = s.segment_key ORDER BY x.version DESC LIMIT 1
) AS r ON true
WHERE (s.segment_name, s.description, s.is_visible, s.archived_at IS NOT NULL)
    IS DISTINCT FROM (r.segment_name, r.description, r.is_visible, r.archived)
ORDER BY s.segment_key LIMIT $1
