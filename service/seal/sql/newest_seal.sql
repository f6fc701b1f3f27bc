-- The newest seal, its last round, and the checkpoint of that round if it is signed.
SELECT s.seal_id, s.origin, coalesce(r.tree_size, 0) AS tree_size, r.root, c.note
FROM segments.seal AS s
LEFT JOIN LATERAL (
    SELECT x.tree_size, x.root FROM segments.seal_round AS x
    WHERE x.seal_id = s.seal_id ORDER BY x.tree_size DESC LIMIT 1
) AS r ON true
LEFT JOIN segments.seal_checkpoint AS c ON c.seal_id = s.seal_id AND c.tree_size = r.tree_size
ORDER BY s.seal_id DESC LIMIT 1
