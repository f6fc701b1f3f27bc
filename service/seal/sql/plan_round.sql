-- Plan a round. Parameters: seal, size with its leaves, root, recorded until.
INSERT INTO segments.seal_round (seal_id, tree_size, root, recorded_until)
VALUES ($1, $2, $3, nullif($4::text::timestamptz, 'infinity'))
