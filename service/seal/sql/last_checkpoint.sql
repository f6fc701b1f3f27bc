-- The newest checkpoint of a seal. Parameters: seal.
SELECT c.tree_size, c.note, r.root FROM segments.seal_checkpoint AS c
INNER JOIN segments.seal_round AS r ON c.seal_id = r.seal_id AND c.tree_size = r.tree_size
WHERE c.seal_id = $1 ORDER BY c.tree_size DESC LIMIT 1
