-- Record signatures as used. Parameters: signed_at[] (Unix seconds), nonce[].
SELECT segments.claim_signatures($1, $2)
