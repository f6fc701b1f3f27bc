-- Rows with a number that are not sealed. Parameters: seal, limit.
SELECT n.kind, n.number, n.entry FROM segments.numbered_leaf AS n
WHERE NOT EXISTS (
    SELECT FROM segments.seal_stretch AS t
    WHERE t.seal_id = $1 AND t.lane_id IS NULL AND t.kind = n.kind AND t.first_offset = n.number
)
ORDER BY n.kind, n.number LIMIT $2
