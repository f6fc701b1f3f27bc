-- Record a signed checkpoint, once. Parameters: seal, size, note.
INSERT INTO segments.seal_checkpoint (seal_id, tree_size, note) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
