-- Record signatures as used; return the indexes of those that must not be accepted. Parameters: signed_at[] (Unix seconds) and
-- nonce[], in index order.
SELECT c.nth FROM segments.claim_signatures($1, $2) AS c (nth)
