-- The newest signed checkpoint of the seal.
SELECT s.origin, c.note AS checkpoint FROM segments.seal_checkpoint AS c
INNER JOIN segments.seal AS s ON c.seal_id = s.seal_id
ORDER BY c.seal_id DESC, c.tree_size DESC LIMIT 1
