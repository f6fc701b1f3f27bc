-- Lock lanes for an append, in the order of their numbers, keep erasure out until it is over, and tell what is so then: the
-- batches' recorded_at, and what they rest on. lost: one of them is closed, or is not where its batch starts.
-- segment_keys: the segments that the batches name; absent: those that were not there, by network_id and segment_id.
-- A function, for each of its statements sees what is committed by then: all but the lanes is read once they are locked.
-- Locked as an update does it, not FOR UPDATE: whoever makes a checkpoint, which references the lane, need not wait.
CREATE FUNCTION segments.lock_lanes(
    lanes integer [], starts bigint [], segment_keys integer [], absent_networks text [], absent_segments integer [],
    OUT lost boolean, OUT stopped_because text, OUT recorded_at timestamptz,
    OUT incarnation text, OUT rules bigint, OUT erased_to bigint, OUT archived integer [], OUT created boolean
) LANGUAGE plpgsql AS $$
DECLARE
    found bigint;
BEGIN
    PERFORM segments.keep_erasure_out();
    SELECT count(*), max(k.stopped_because) INTO found, stopped_because FROM (
        SELECT l.stopped_because FROM segments.lane AS l
        INNER JOIN unnest(lanes, starts) AS w (lane_id, start) ON l.lane_id = w.lane_id AND l.next_offset = w.start
        WHERE NOT l.closed
        ORDER BY l.lane_id FOR NO KEY UPDATE OF l
    ) AS k;
    lost := found <> cardinality(lanes);
    SELECT max(segments.lane_now(l)), segments.incarnation(),
        (SELECT v.version FROM segments.source_version AS v),
        (SELECT coalesce(max(x.erasure_id), 0) FROM segments.erasure AS x)
    INTO recorded_at, incarnation, rules, erased_to
    FROM segments.lane AS l WHERE l.lane_id = ANY (lanes);
    archived := ARRAY(
        SELECT s.segment_key FROM segments.segment AS s
        WHERE s.segment_key = ANY (segment_keys) AND s.archived_at IS NOT NULL
    );
    created := EXISTS (
        SELECT FROM unnest(absent_networks, absent_segments) AS w (network_id, segment_id)
        CROSS JOIN LATERAL (
            SELECT FROM segments.segment AS s
            WHERE s.network_id = w.network_id AND s.segment_id = w.segment_id OFFSET 0
        ) AS made
    );
END $$;
GRANT EXECUTE ON FUNCTION segments.lock_lanes TO segments_ingest;
