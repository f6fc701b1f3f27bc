-- Record signatures as used; return the indexes, from 0, of those that must not be accepted: used before, in this append or
-- another, or so old that their rows may be deleted. Input is in the order of the index, so that appends never deadlock.
-- signed_at: Unix seconds.
CREATE FUNCTION segments.claim_signatures(signed_at bigint [], nonces bytea []) RETURNS SETOF integer
LANGUAGE sql AS $$
    WITH asked AS (
        SELECT to_timestamp(w.signed_at) AS signed_at, w.nonce, w.nth,
            row_number() OVER (PARTITION BY w.signed_at, w.nonce ORDER BY w.nth) > 1 AS again
        FROM unnest(claim_signatures.signed_at, nonces) WITH ORDINALITY AS w (signed_at, nonce, nth)
    ), claimed AS (
        INSERT INTO segments.signature (signed_at, nonce)
        SELECT a.signed_at, a.nonce FROM asked AS a
        WHERE a.signed_at >= (SELECT h.forgotten_until FROM segments.signature_horizon AS h)
        ORDER BY a.signed_at, a.nonce
        ON CONFLICT DO NOTHING
        RETURNING signature.signed_at, signature.nonce
    )
    SELECT a.nth::integer - 1 FROM asked AS a
    WHERE a.again OR NOT EXISTS (SELECT FROM claimed AS c WHERE c.signed_at = a.signed_at AND c.nonce = a.nonce)
$$;
GRANT EXECUTE ON FUNCTION segments.claim_signatures TO segments_ingest, segments_operate;
