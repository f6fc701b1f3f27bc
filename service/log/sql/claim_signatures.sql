-- Note signatures as believed; gives the places of those that are not to be. Parameters: signed_at[] (Unix seconds) and
-- nonce[], in their order.
SELECT c.nth FROM segments.claim_signatures($1, $2) AS c (nth)
