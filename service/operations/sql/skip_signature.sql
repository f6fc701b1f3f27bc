-- Note a signature as believed. Parameters: signed_at (Unix seconds), nonce.
INSERT INTO segments.signature (signed_at, nonce) VALUES (to_timestamp($1), $2) ON CONFLICT DO NOTHING
