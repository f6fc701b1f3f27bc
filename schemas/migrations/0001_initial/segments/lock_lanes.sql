-- Lock lanes for an append, by lane_id, exclude erasures until the end of the transaction, and return the batches'
-- recorded_at and the state of their preconditions. lost: a lane is closed, or not where its batch starts.
-- segment_keys: the segments of the batches; absent: those that did not exist, by network_id and segment_id.
-- A function, because each of its statements sees the latest commits: everything else is read once the lanes are locked.
-- Locked FOR NO KEY UPDATE, so that a worker can make a checkpoint, which references the lane, meanwhile.
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
