-- Expiry: which expiries of overrides were published and may be on their way; and what else is told or forgotten in time.

-- One row for each key whose override is overdue; it goes when that override is gone.
CREATE TABLE projections.expiry (
    segment_key integer NOT NULL,
    person_id bigint NOT NULL,
    -- The event that stated the override.
    named_lane_id integer NOT NULL,
    named_offset bigint NOT NULL,
    -- Where its expiry was published; null while somebody is about to.
    topic text COLLATE "C",
    partition integer,
    epoch integer,
    kafka_offset bigint,
    times integer NOT NULL DEFAULT 0,
    -- Before this moment nobody else publishes it.
    again_at timestamptz NOT NULL,
    CONSTRAINT expiry_pkey PRIMARY KEY (segment_key, person_id)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON projections.expiry TO segments_project;
GRANT SELECT ON projections.expiry TO segments_operate;

-- How far <prefix>.memberships was told of erasures.
CREATE TABLE projections.farewell (
    only_row boolean NOT NULL DEFAULT true CONSTRAINT farewell_pkey PRIMARY KEY CONSTRAINT farewell_only_row CHECK (only_row),
    erasure_id bigint NOT NULL
);
INSERT INTO projections.farewell (erasure_id) VALUES (0);
GRANT SELECT, UPDATE ON projections.farewell TO segments_project;
GRANT SELECT ON projections.farewell TO segments_operate;

-- Idempotency keys are forgotten 8 days after they were first seen; at most 5,000 a call, the oldest first. Gives the
-- number of those that went. Appends never wait for it: whatever they hold is passed over.
CREATE INDEX idempotency_seen ON segments.idempotency (seen_at);
CREATE FUNCTION segments.forget_keys() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS MATERIALIZED (
        SELECT i.network_id, i.key_digest FROM segments.idempotency AS i
        WHERE i.seen_at < now() - interval '8 days'
        ORDER BY i.seen_at LIMIT 5000 FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM segments.idempotency AS i USING old AS o
        WHERE i.network_id = o.network_id AND i.key_digest = o.key_digest
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$;
REVOKE ALL ON FUNCTION segments.forget_keys() FROM public;
GRANT EXECUTE ON FUNCTION segments.forget_keys() TO segments_ingest;

-- Signatures are forgotten once no lane has a record before it that was received when they are still believed: two
-- hours behind the slowest open lane, but after 7 days in any case. What was made before that is not believed any more;
-- appends that did not know it yet have ended by the time that it is deleted. At most 5,000 a call, as above.
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
REVOKE ALL ON FUNCTION segments.forget_signatures() FROM public;
GRANT EXECUTE ON FUNCTION segments.forget_signatures() TO segments_ingest;
