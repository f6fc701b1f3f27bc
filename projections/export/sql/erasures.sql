-- How much was erased so far. Parameters: $1 network or null.
SELECT
    (
        SELECT count(*) FROM segments.erasure AS e
        WHERE $1::text IS NULL OR e.network_id IN ('', $1::text)
    )
    + (
        SELECT count(*) FROM segments.rejected_erasure AS r
        WHERE $1::text IS NULL OR coalesce(r.network_id, $1::text) = $1::text
    )
