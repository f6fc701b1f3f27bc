-- The serving slot was folded by this SQL. The other slot is never ahead of it: a rebuild folds no further than the
-- serving slot, and a swap leaves the old one at its position. A lane may have no checkpoint yet, and before the first
-- fold there is no digest. Parameters: $1 the digest of the fold's SQL.
WITH wanted AS (
    SELECT w.projection, g.slot, g.digest, EXISTS (
        SELECT FROM projections.checkpoint AS c INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
        WHERE c.projection = w.projection AND c.slot = g.slot AND c.next_offset > l.first_offset
    ) AS folded
    FROM (VALUES ('membership')) AS w (projection)
    LEFT JOIN projections.generation AS g ON w.projection = g.projection
)
SELECT v.view, v.key, v.expected, v.found FROM (
    SELECT 'projections.generation' AS view, w.projection || ' digest' AS key, $1::text AS expected,
        coalesce(w.digest, CASE WHEN w.slot IS NULL THEN 'no row' ELSE 'none' END) AS found
    FROM wanted AS w
    WHERE w.slot IS NULL OR w.digest <> $1 OR (w.digest IS NULL AND w.folded)
    UNION ALL
    SELECT 'freshness', concat_ws('-', l.topic, l.partition, l.epoch) || ' checkpoint of ' || w.projection || ' in slot '
            || w.slot || ', which serves',
        'at least ' || o.next_offset || ', as in slot ' || o.slot, coalesce(s.next_offset::text, 'none')
    FROM wanted AS w
    INNER JOIN projections.checkpoint AS o ON w.projection = o.projection AND w.slot <> o.slot
    INNER JOIN segments.lane AS l ON o.lane_id = l.lane_id
    LEFT JOIN projections.checkpoint AS s ON o.projection = s.projection AND w.slot = s.slot AND o.lane_id = s.lane_id
    WHERE o.next_offset > coalesce(s.next_offset, l.first_offset)
) AS v ORDER BY 1, 2 LIMIT 100
