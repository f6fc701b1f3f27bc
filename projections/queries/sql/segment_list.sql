-- A page of a network's segments with their sizes, and the number that match. Parameters: $1 network_id, $2 text in the name or
-- the description, or an id, or null, $3 archived or not, or null, $4 visible or not, or null, $5 the column to sort by (name,
-- members, pinned, blocked, or id), $6 descending or not, $7 limit, $8 offset.
SELECT
    s.segment_id,
    s.segment_name,
    s.description,
    s.is_visible,
    s.archived_at,
    z.members,
    z.added,
    z.blocked,
    count(*) OVER () AS matching
FROM reporting.segment AS s
INNER JOIN reporting.segment_size AS z ON s.network_id = z.network_id AND s.segment_id = z.segment_id
WHERE
    s.network_id = $1
    AND (
        $2::text IS NULL OR position(lower($2) IN lower(s.segment_name)) > 0
        OR position(lower($2) IN lower(coalesce(s.description, ''))) > 0 OR s.segment_id::text = $2
    )
    AND ($3::boolean IS NULL OR (s.archived_at IS NOT NULL) = $3)
    AND ($4::boolean IS NULL OR s.is_visible = $4)
ORDER BY
    CASE WHEN $5::text = 'name' AND NOT $6::boolean THEN lower(s.segment_name) END,
    CASE WHEN $5 = 'name' AND $6 THEN lower(s.segment_name) END DESC,
    CASE WHEN $6 THEN -1 ELSE 1 END
    * CASE $5 WHEN 'members' THEN z.members WHEN 'pinned' THEN z.added WHEN 'blocked' THEN z.blocked ELSE s.segment_id END,
    s.segment_id
LIMIT $7 OFFSET $8
