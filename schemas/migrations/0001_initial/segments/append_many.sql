-- A new event. Times in Unix seconds, received_ms in milliseconds. covered: what its digest covers besides recorded_at
-- (service.log.copy_format).
CREATE TYPE segments.new_event AS (
    lane_id integer,
    kafka_offset bigint,
    segment_key integer,
    person_id bigint,
    "time" bigint,
    received_ms bigint,
    user_status smallint,
    content bytea,
    reference_id text,
    discriminator text,
    expires_at bigint,
    source text,
    actor text,
    request_id text,
    user_sent text,
    description text,
    metadata json,
    covered bytea
);

-- Append small batches of several lanes in one statement, if they are only events. Returns false, and writes nothing, if a
-- lane is lost or stopped, or if a precondition has changed; raises an error if a signature was used before, a command is in
-- the log already, Postgres refuses a value, or a lock takes longer than a second. Each lane is then appended alone.
-- Events are in identity order, signatures in the order of their index.
CREATE FUNCTION segments.append_many(
    moves segments.lane_move [], events segments.new_event [], signed_at bigint [], nonces bytea [],
    incarnation text, rules bigint, erased_to bigint
) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
DECLARE
    is_so record;
BEGIN
    SELECT * INTO is_so FROM segments.lock_lanes(
        ARRAY(SELECT m.lane_id FROM unnest(moves) AS m), ARRAY(SELECT m.start FROM unnest(moves) AS m),
        ARRAY(SELECT DISTINCT e.segment_key FROM unnest(events) AS e), '{}', '{}'
    );
    IF is_so.lost OR is_so.stopped_because IS NOT NULL OR is_so.archived <> '{}'
        OR (is_so.incarnation, is_so.rules, is_so.erased_to) <> (incarnation, rules, erased_to)
    THEN
        RETURN false;
    END IF;
    IF cardinality(nonces) > 0 AND EXISTS (SELECT FROM segments.claim_signatures(signed_at, nonces)) THEN
        RAISE EXCEPTION 'a signature was used before';
    END IF;
    INSERT INTO segments.event (
        lane_id, kafka_offset, segment_key, person_id, status_change_timestamp, received_at, recorded_at, user_status,
        content, reference_id, discriminator, expires_at, source, actor, request_id, user_sent, description, metadata,
        digest
    )
    SELECT e.lane_id, e.kafka_offset, e.segment_key, e.person_id, to_timestamp(e."time"), segments.time_of(e.received_ms),
        is_so.recorded_at, e.user_status, e.content, e.reference_id, e.discriminator, to_timestamp(e.expires_at), e.source,
        e.actor, e.request_id, e.user_sent, e.description, e.metadata,
        substr(sha256(e.covered || timestamptz_send(is_so.recorded_at)), 1, 16)
    FROM unnest(events) AS e;
    PERFORM segments.move_lanes(moves, is_so.recorded_at);
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION segments.append_many TO segments_ingest;
