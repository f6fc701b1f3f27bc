-- Signatures that were accepted, each once, by their nonce. Not part of the log: they are deleted once no unread record
-- could be accepted with them.
CREATE TABLE segments.signature (
    signed_at timestamptz NOT NULL,
    nonce bytea NOT NULL,
    CONSTRAINT signature_once PRIMARY KEY (signed_at, nonce)
);
GRANT SELECT, INSERT ON segments.signature TO segments_ingest, segments_operate;
GRANT SELECT ON segments.signature TO segments_project;

-- Signatures made before this time are not accepted, because their rows may be deleted. One row.
CREATE TABLE segments.signature_horizon (
    forgotten_until timestamptz NOT NULL DEFAULT '-infinity',
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX signature_horizon_is_one ON segments.signature_horizon ((true));
INSERT INTO segments.signature_horizon DEFAULT VALUES;
GRANT SELECT ON segments.signature_horizon TO segments_ingest, segments_project, segments_operate;

-- Delete signatures once no lane has unread records of their time: two hours behind the slowest open lane, and after 7
-- days in any case. Earlier signatures are no longer accepted; appends that began before that rule have ended by then. At
-- most 5,000 per call, as in forget_keys().
CREATE FUNCTION segments.forget_signatures() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    until timestamptz;
    since timestamptz;
    gone bigint;
BEGIN
    SELECT h.forgotten_until, h.moved_at INTO until, since FROM segments.signature_horizon AS h
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND OR since > now() - interval '1 minute' THEN
        RETURN 0;
    END IF;
    WITH old AS MATERIALIZED (
        SELECT s.signed_at, s.nonce FROM segments.signature AS s
        WHERE s.signed_at < until ORDER BY s.signed_at, s.nonce LIMIT 5000 FOR UPDATE SKIP LOCKED
    ), deleted AS (
        DELETE FROM segments.signature AS s USING old AS o
        WHERE s.signed_at = o.signed_at AND s.nonce = o.nonce RETURNING 1
    )
    SELECT count(*) INTO gone FROM deleted;
    IF gone = 0 THEN
        UPDATE segments.signature_horizon SET moved_at = now(), forgotten_until = greatest(forgotten_until, (
            SELECT greatest(now() - interval '7 days', least(now(), min(
                CASE WHEN l.next_offset >= l.end_offset THEN greatest(l.received_at, l.end_seen_at) ELSE l.received_at END
            )) - interval '2 hours')
            FROM segments.lane AS l WHERE NOT l.closed
        ));
    END IF;
    RETURN gone;
END $$;
GRANT EXECUTE ON FUNCTION segments.forget_signatures TO segments_ingest;
