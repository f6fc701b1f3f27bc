-- The append in one statement, of several lanes in which little waits: what is ordinary, and nothing else.
-- False, and nothing written, when a lane is not where its batch starts, is stopped or held by somebody, when what the
-- batches rest on is not so any more (incarnation, what topics may say, a segment archived, somebody erased); an error
-- when an erasure is under way, a command is in the log already, a value is refused, or somebody holds a command back
-- for longer than a second (the other lanes need not wait with that one).
-- Either way each lane is then appended alone. A function, for each of its statements sees what is committed by then:
-- what the batches rest on and the clock are read once the lanes are locked.
CREATE FUNCTION segments.append_many(
    lanes integer [], starts bigint [], ends bigint [], last_timestamps bigint [], last_digests bytea [],
    last_receipts bigint [], expected_incarnation text, expected_rules bigint, expected_erasure bigint,
    event_lanes integer [], offsets bigint [], segment_keys integer [], people bigint [], times bigint [],
    receipts bigint [], statuses smallint [], contents bytea [], reference_ids text [], discriminators text [],
    expiries bigint [], sources text [], actors text [], request_ids text [], users_sent text [], descriptions text [],
    metadata text [], covered bytea [], signed_at bigint [], nonces bytea []
) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
DECLARE
    found bigint;
    floor timestamptz;
    now timestamptz;
BEGIN
    LOCK TABLE segments.erasure_gate IN ROW EXCLUSIVE MODE NOWAIT;
    SELECT count(*), max(greatest(k.recorded_at, k.quiet_at)) INTO found, floor FROM (
        SELECT l.recorded_at, l.quiet_at FROM segments.lane AS l
        INNER JOIN unnest(lanes, starts) AS w (lane_id, start) ON l.lane_id = w.lane_id AND l.next_offset = w.start
        WHERE NOT l.closed AND l.stopped_because IS NULL
        FOR UPDATE OF l SKIP LOCKED
    ) AS k;
    IF found <> cardinality(lanes)
        OR expected_incarnation <> segments.incarnation()
        OR expected_rules <> (SELECT v.version FROM segments.source_version AS v)
        OR expected_erasure <> (SELECT coalesce(max(x.erasure_id), 0) FROM segments.erasure AS x)
        OR EXISTS (
            SELECT FROM segments.segment AS s WHERE s.segment_key = ANY (segment_keys) AND s.archived_at IS NOT NULL
        )
    THEN
        RETURN false;
    END IF;
    now := greatest(clock_timestamp(), floor + interval '1 microsecond');
    -- An error where one was believed before. They come in the order of the index.
    IF cardinality(nonces) > 0 THEN
        IF to_timestamp(signed_at[1]) < (SELECT h.forgotten_until FROM segments.signature_horizon AS h) THEN
            RETURN false;
        END IF;
        INSERT INTO segments.signature (signed_at, nonce)
        SELECT to_timestamp(s.at), s.nonce FROM unnest(append_many.signed_at, nonces) AS s (at, nonce);
    END IF;
    -- They come in identity order.
    INSERT INTO segments.event (
        lane_id, kafka_offset, segment_key, person_id, status_change_timestamp, received_at, recorded_at, user_status,
        content, reference_id, discriminator, expires_at, source, actor, request_id, user_sent, description, metadata,
        digest
    )
    SELECT e.lane_id, e.kafka_offset, e.segment_key, e.person_id, to_timestamp(e.time),
        to_timestamp(e.receipt / 1000) + (e.receipt % 1000) * interval '1 millisecond', now, e.user_status,
        e.content, e.reference_id, e.discriminator, to_timestamp(e.expires_at), e.source, e.actor, e.request_id,
        e.user_sent, e.description, e.metadata::json, substr(sha256(e.covered || timestamptz_send(now)), 1, 16)
    FROM unnest(
        event_lanes, offsets, segment_keys, people, times, receipts, statuses, contents, reference_ids, discriminators,
        expiries, sources, actors, request_ids, users_sent, descriptions, append_many.metadata,
        append_many.covered
    ) AS e (
        lane_id, kafka_offset, segment_key, person_id, time, receipt, user_status, content, reference_id,
        discriminator, expires_at, source, actor, request_id, user_sent, description, metadata, covered
    );
    UPDATE segments.lane AS l SET
        next_offset = w.until,
        events = l.events + w.until - w.start,
        last_offset = w.until - 1,
        last_timestamp = w.timestamp,
        last_digest = w.digest,
        received_at = greatest(
            l.received_at, to_timestamp(w.receipt / 1000) + (w.receipt % 1000) * interval '1 millisecond'
        ),
        recorded_at = now,
        quiet_offset = w.until,
        quiet_at = now
    FROM unnest(lanes, starts, ends, last_timestamps, last_digests, last_receipts)
        AS w (lane_id, start, until, timestamp, digest, receipt)
    WHERE l.lane_id = w.lane_id AND l.next_offset = w.start AND l.stopped_because IS NULL AND NOT l.closed;
    GET DIAGNOSTICS found = ROW_COUNT;
    IF found <> cardinality(lanes) THEN
        RAISE EXCEPTION '% of % lanes moved', found, cardinality(lanes);
    END IF;
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION segments.append_many TO segments_ingest;
