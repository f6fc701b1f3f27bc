-- The roots of a seal's rounds with the given sizes. Parameters: seal, sizes.
SELECT r.tree_size, r.root FROM segments.seal_round AS r WHERE r.seal_id = $1 AND r.tree_size = ANY ($2::bigint[])
