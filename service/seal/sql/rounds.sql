-- The rounds of a seal after a size, with their checkpoints. Parameters: seal, size, limit.
SELECT r.tree_size, r.root, c.note FROM segments.seal_round AS r
LEFT JOIN segments.seal_checkpoint AS c ON r.seal_id = c.seal_id AND r.tree_size = c.tree_size
WHERE r.seal_id = $1 AND r.tree_size > $2 ORDER BY r.tree_size LIMIT $3
