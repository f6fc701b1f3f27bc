-- Note signatures as believed; return the numbers of those that already were. Parameters: signed_at[] (Unix seconds) and
-- nonce[], in index order.
SELECT c.nth FROM segments.claim_signatures($1, $2) AS c (nth)
