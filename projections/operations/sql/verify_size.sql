-- Compares sizes with the states that they count.
WITH expected AS (
    SELECT network_id, segment_id, count(*) FILTER (WHERE is_member) AS members,
        count(*) FILTER (WHERE override = 'add') AS added, count(*) FILTER (WHERE override = 'block') AS blocked
    FROM reporting.user_segment GROUP BY network_id, segment_id
)
SELECT 'segment_size' AS view, concat_ws('/', z.network_id, z.segment_id) AS key,
    concat_ws('/', coalesce(e.members, 0), coalesce(e.added, 0), coalesce(e.blocked, 0)) AS expected,
    concat_ws('/', z.members, z.added, z.blocked) AS found
FROM reporting.segment_size AS z LEFT JOIN expected AS e USING (network_id, segment_id)
WHERE (coalesce(e.members, 0), coalesce(e.added, 0), coalesce(e.blocked, 0)) <> (z.members, z.added, z.blocked)
ORDER BY 2
