-- A segment of the registry with its sizes, and how often somebody joined or left. Parameters: $1 network_id, $2 segment_id.
SELECT
    t.segment_key, s.network_id, s.segment_id, s.segment_name, s.description, s.is_visible, s.created_at, s.created_by,
    s.archived_at, z.members, z.added, z.blocked,
    (
        SELECT coalesce(sum(d.joined + d.departed), 0)::bigint FROM projections.serving_size_daily AS d
        WHERE d.segment_key = t.segment_key
    ) AS changes
FROM reporting.segment AS s
INNER JOIN segments.segment AS t ON s.network_id = t.network_id AND s.segment_id = t.segment_id
INNER JOIN reporting.segment_size AS z ON s.network_id = z.network_id AND s.segment_id = z.segment_id
WHERE s.network_id = $1 AND s.segment_id = $2
