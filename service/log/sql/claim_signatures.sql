-- Note signatures as believed; gives the places of those that are not to be: noted before, or so old that it would be
-- forgotten. In the order of the index, so that two appends never wait for each other in a ring. Parameters: signed_at[]
-- (Unix seconds) and nonce[], in their order.
WITH asked AS (
    SELECT to_timestamp(w.signed_at) AS signed_at, w.nonce, w.nth
    FROM unnest($1::bigint[], $2::bytea[]) WITH ORDINALITY AS w (signed_at, nonce, nth)
), claimed AS (
    INSERT INTO segments.signature (signed_at, nonce)
    SELECT a.signed_at, a.nonce FROM asked AS a
    WHERE a.signed_at >= (SELECT h.forgotten_until FROM segments.signature_horizon AS h)
    ORDER BY a.signed_at, a.nonce
    ON CONFLICT DO NOTHING
    RETURNING signed_at, nonce
)
SELECT a.nth::integer - 1 AS nth FROM asked AS a
WHERE NOT EXISTS (SELECT FROM claimed AS c WHERE c.signed_at = a.signed_at AND c.nonce = a.nonce)
