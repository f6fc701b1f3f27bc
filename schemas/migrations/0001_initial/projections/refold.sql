-- Fold a part of a long key again, from one kept state to the next, and after the last one to the key's end. begin_* in the
-- result: the kept state where it began. A piece with at least twice `every` events is divided. Kept states that differ are
-- replaced.
-- With first_* and last_*, the times of the key's first and last event in the batch: from the kept state before all of them
-- to the first one after them that is unchanged, because all later states are then unchanged too. Intervals, outcomes and
-- daily sizes are compared with the stored rows, and differences are written.
-- Without them: from the last kept state to the end, and only kept states are written.
-- is_heavy: the fold stopped after `most` events (null: no limit), and the transaction must be rolled back.
-- state, tail: the key's state, and the number of events after its last kept state; both null if the state is unchanged.
-- recorded_at, received_at: the newest of the batch's events.
CREATE FUNCTION projections.refold(
    wanted_slot smallint, wanted_segment_key integer, wanted_person_id bigint,
    batch_lanes integer [], firsts bigint [], untils bigint [], wanted_projection text, every integer, most bigint,
    first_at timestamptz, first_received_at timestamptz, last_at timestamptz, last_received_at timestamptz
) RETURNS TABLE (
    events integer, is_heavy boolean, state segments.key_state, tail integer, recorded_at timestamptz,
    received_at timestamptz, begin_lane_id integer, begin_offset bigint
) LANGUAGE plpgsql SET enable_seqscan = off AS $$ -- a plan is kept, and may be older than the tables are large
#variable_conflict use_column
DECLARE
    -- By lane_id.
    places integer[];
    epochs integer[];
    old_ends bigint[]; -- by lane: the start of the batch
    new_ends bigint[]; -- and its end
    start segments.key_state;
    begins record;
    ends record;
    piece record;
    folded projections.folded_key;
    now_state segments.key_state;
    is_last boolean := false; -- the rest of the key is folded
    seen integer := 0;
    left_over integer;
    arrived record;
    -- All events that were folded.
    lanes integer[] := '{}';
    offsets bigint[] := '{}';
    statuses smallint[] := '{}';
    times timestamptz[] := '{}';
    receipts timestamptz[] := '{}';
    intervals integer[];
    codes integer[];
    -- Those of the batch.
    new_times timestamptz[];
    new_records timestamptz[];
    newest timestamptz;
    kept CURSOR FOR
        SELECT k.status_change_timestamp, k.received_at, places[k.lane_id] AS place, k.kafka_offset,
            epochs[k.lane_id] AS epoch, k.lane_id, k.state
        FROM projections.kept_state AS k
        WHERE k.slot = wanted_slot AND k.segment_key = wanted_segment_key AND k.person_id = wanted_person_id
          AND k.status_change_timestamp >= begins.status_change_timestamp
          AND (k.status_change_timestamp, k.received_at, places[k.lane_id], k.kafka_offset, epochs[k.lane_id])
            > (begins.status_change_timestamp, begins.received_at, begins.place, begins.kafka_offset, begins.epoch)
        ORDER BY k.status_change_timestamp, k.received_at, places[k.lane_id], k.kafka_offset, epochs[k.lane_id];
BEGIN
    SELECT array_agg(l.place ORDER BY n.lane_id), array_agg(l.epoch ORDER BY n.lane_id),
        array_agg(coalesce(c.next_offset, 0) ORDER BY n.lane_id),
        array_agg(coalesce(w.until, c.next_offset, 0) ORDER BY n.lane_id)
    INTO places, epochs, old_ends, new_ends
    FROM generate_series(1, (SELECT max(m.lane_id) FROM segments.lane AS m)) AS n (lane_id)
    LEFT JOIN (
        SELECT o.lane_id, o.epoch, rank() OVER (ORDER BY o.topic, o.partition)::integer AS place FROM segments.lane AS o
    ) AS l ON n.lane_id = l.lane_id
    LEFT JOIN projections.checkpoint AS c
        ON c.projection = wanted_projection AND c.slot = wanted_slot AND n.lane_id = c.lane_id
    LEFT JOIN unnest(batch_lanes, firsts, untils) AS w (lane_id, first, until) ON n.lane_id = w.lane_id;

    SELECT k.status_change_timestamp, k.received_at, places[k.lane_id] AS place, k.kafka_offset, epochs[k.lane_id] AS epoch,
        k.lane_id, k.state
    INTO begins
    FROM projections.kept_state AS k
    WHERE k.slot = wanted_slot AND k.segment_key = wanted_segment_key AND k.person_id = wanted_person_id
      AND (first_at IS NULL OR (
        k.status_change_timestamp <= first_at AND (k.status_change_timestamp, k.received_at) < (first_at, first_received_at)
      ))
    ORDER BY k.status_change_timestamp DESC, k.received_at DESC, places[k.lane_id] DESC, k.kafka_offset DESC,
        epochs[k.lane_id] DESC
    LIMIT 1;
    start := begins.state;
    now_state := start;
    begin_lane_id := begins.lane_id;
    begin_offset := begins.kafka_offset;
    is_heavy := false;
    IF begin_lane_id IS NULL THEN
        SELECT '-infinity'::timestamptz AS status_change_timestamp, '-infinity'::timestamptz AS received_at, 0 AS place,
            0::bigint AS kafka_offset, 0 AS epoch
        INTO begins;
    END IF;

    OPEN kept;
    LOOP
        IF seen >= most THEN
            is_heavy := true;
            EXIT;
        END IF;
        FETCH kept INTO ends;
        is_last := NOT FOUND;
        left_over := 0;
        FOR piece IN
            SELECT p.pieces, p.number <= p.pieces AS keeps, count(*)::integer AS length,
                array_agg(p.user_status) AS statuses, array_agg(p.lane_id) AS lanes, array_agg(p.kafka_offset) AS offsets,
                array_agg(p.status_change_timestamp) AS times, array_agg(p.received_at) AS receipts,
                CASE WHEN count(p.lapse) > 0 THEN array_agg(p.lapse) END AS lapses,
                array_agg(p.status_change_timestamp) FILTER (WHERE p.is_new) AS new_times,
                array_agg(p.recorded_at) FILTER (WHERE p.is_new) AS new_records,
                max(p.received_at) FILTER (WHERE p.is_new) AS newest
            FROM (
                SELECT o.*, CASE WHEN is_last THEN least((o.nth - 1) / every, o.pieces) + 1
                    ELSE (o.nth - 1) * o.pieces / o.total + 1 END AS number
                FROM (
                    SELECT q.*, CASE WHEN is_last THEN greatest(q.total / every - 1, 0)
                        ELSE greatest(q.total / every, 1) END AS pieces
                    FROM (
                        SELECT e.user_status, e.lane_id, e.kafka_offset, e.status_change_timestamp, e.received_at,
                            e.recorded_at, e.kafka_offset >= old_ends[e.lane_id] AS is_new,
                            CASE WHEN e.expires_at IS NOT NULL OR e.expired_offset IS NOT NULL
                                THEN ROW(e.expires_at, e.expired_lane_id, e.expired_offset)::projections.lapse
                            END AS lapse,
                            row_number() OVER (
                                ORDER BY e.status_change_timestamp, e.received_at, places[e.lane_id], e.kafka_offset,
                                    epochs[e.lane_id]
                            ) AS nth,
                            count(*) OVER () AS total
                        FROM segments.event AS e
                        WHERE e.person_id = wanted_person_id AND e.segment_key = wanted_segment_key
                          AND e.status_change_timestamp >= begins.status_change_timestamp
                          AND e.status_change_timestamp
                            <= CASE WHEN is_last THEN 'infinity' ELSE ends.status_change_timestamp END
                          AND e.kafka_offset < new_ends[e.lane_id]
                          AND (e.status_change_timestamp, e.received_at, places[e.lane_id], e.kafka_offset,
                            epochs[e.lane_id]) > (begins.status_change_timestamp, begins.received_at, begins.place,
                            begins.kafka_offset, begins.epoch)
                          AND (is_last OR (e.status_change_timestamp, e.received_at, places[e.lane_id], e.kafka_offset,
                            epochs[e.lane_id]) <= (ends.status_change_timestamp, ends.received_at, ends.place,
                            ends.kafka_offset, ends.epoch))
                    ) AS q
                ) AS o
                ORDER BY number, o.nth
            ) AS p
            GROUP BY p.number, p.pieces
            ORDER BY p.number
        LOOP
            folded := projections.fold_key(
                piece.statuses, piece.lapses, piece.lanes, piece.offsets, NULL, NULL, NULL, now_state
            );
            now_state := ROW(
                folded.is_member, folded.override, folded.automation_says, folded.effect,
                CASE folded.member_nth WHEN 0 THEN now_state.member_lane_id ELSE piece.lanes[folded.member_nth] END,
                CASE folded.stated_nth WHEN 0 THEN now_state.stated_lane_id ELSE piece.lanes[folded.stated_nth] END,
                CASE folded.member_nth WHEN 0 THEN now_state.member_offset ELSE piece.offsets[folded.member_nth] END,
                CASE folded.stated_nth WHEN 0 THEN now_state.stated_offset ELSE piece.offsets[folded.stated_nth] END,
                CASE folded.member_nth WHEN 0 THEN now_state.member_since ELSE piece.times[folded.member_nth] END,
                CASE folded.override_nth WHEN 0 THEN now_state.override_since ELSE piece.times[folded.override_nth] END,
                folded.expires_at,
                CASE folded.change_nth WHEN 0 THEN now_state.last_change_at ELSE piece.times[folded.change_nth] END,
                NULL, piece.times[piece.length], piece.receipts[piece.length],
                coalesce(piece.times[folded.interval_nth], now_state.valid_from, piece.times[1]),
                coalesce(piece.offsets[folded.interval_nth], now_state.from_offset),
                coalesce(piece.lanes[folded.interval_nth], now_state.from_lane_id),
                coalesce(piece.statuses[folded.interval_nth], now_state.from_status),
                coalesce(folded.interval_effect, now_state.from_effect), NULL
            )::segments.key_state;
            IF NOT piece.keeps THEN
                left_over := piece.length;
            ELSIF is_last OR piece.new_times IS NOT NULL OR piece.pieces > 1 OR now_state <> ends.state THEN
                SELECT a.received_at, a.lane_id, a.kafka_offset INTO arrived
                FROM unnest(piece.statuses, piece.lanes, piece.offsets, piece.receipts)
                    AS a (user_status, lane_id, kafka_offset, received_at)
                WHERE a.user_status <= 2
                ORDER BY a.received_at, places[a.lane_id], a.kafka_offset, epochs[a.lane_id] LIMIT 1;
                INSERT INTO projections.kept_state AS k (
                    slot, segment_key, person_id, status_change_timestamp, received_at, lane_id, kafka_offset, state,
                    arrived_at, arrived_lane_id, arrived_offset
                ) VALUES (
                    wanted_slot, wanted_segment_key, wanted_person_id, piece.times[piece.length],
                    piece.receipts[piece.length], piece.lanes[piece.length], piece.offsets[piece.length], now_state,
                    arrived.received_at, arrived.lane_id, arrived.kafka_offset
                )
                ON CONFLICT ON CONSTRAINT kept_state_pkey DO UPDATE SET
                    state = excluded.state, arrived_at = excluded.arrived_at,
                    arrived_lane_id = excluded.arrived_lane_id, arrived_offset = excluded.arrived_offset;
            END IF;
            IF first_at IS NOT NULL THEN
                lanes := lanes || piece.lanes;
                offsets := offsets || piece.offsets;
                statuses := statuses || piece.statuses;
                times := times || piece.times;
                receipts := receipts || piece.receipts;
                new_times := new_times || piece.new_times;
                new_records := new_records || piece.new_records;
                newest := greatest(newest, piece.newest);
                intervals := intervals || ARRAY(SELECT i + 32 * seen FROM unnest(folded.intervals) AS i);
                codes := codes || folded.codes;
            END IF;
            seen := seen + piece.length;
        END LOOP;
        EXIT WHEN is_last;
        EXIT WHEN (ends.status_change_timestamp, ends.received_at) > (last_at, last_received_at) AND now_state = ends.state;
        begins := ends;
    END LOOP;
    CLOSE kept;
    IF first_at IS NOT NULL AND NOT is_heavy THEN
        PERFORM projections.rewrite(
            wanted_slot, wanted_segment_key, wanted_person_id, batch_lanes[1], start,
            CASE WHEN is_last THEN (
                SELECT projections.state_of(m) FROM projections.membership AS m
                WHERE m.slot = wanted_slot AND m.segment_key = wanted_segment_key AND m.person_id = wanted_person_id
            ) ELSE now_state END,
            lanes, offsets, statuses, times, intervals, codes, new_times, new_records, projections.superseded(
                statuses, lanes, offsets, receipts, places, epochs, beyond.received_at, places[beyond.lane_id],
                beyond.kafka_offset, epochs[beyond.lane_id]
            )
        )
        FROM (VALUES (1)) AS one
        LEFT JOIN LATERAL (
            -- The first to arrive of the adds and blocks after the folded events; none of them is in the batch.
            SELECT a.received_at, a.lane_id, a.kafka_offset
            FROM (
                SELECT k.arrived_at AS received_at, k.arrived_lane_id AS lane_id, k.arrived_offset AS kafka_offset
                FROM projections.kept_state AS k
                WHERE NOT is_last AND k.slot = wanted_slot AND k.segment_key = wanted_segment_key
                  AND k.person_id = wanted_person_id AND k.status_change_timestamp >= ends.status_change_timestamp
                  AND k.arrived_at IS NOT NULL
                  AND (k.status_change_timestamp, k.received_at, places[k.lane_id], k.kafka_offset, epochs[k.lane_id])
                    > (ends.status_change_timestamp, ends.received_at, ends.place, ends.kafka_offset, ends.epoch)
                UNION ALL
                SELECT e.received_at, e.lane_id, e.kafka_offset
                FROM (
                    SELECT k.status_change_timestamp, k.received_at, places[k.lane_id] AS place, k.kafka_offset,
                        epochs[k.lane_id] AS epoch
                    FROM projections.kept_state AS k
                    WHERE NOT is_last AND k.slot = wanted_slot AND k.segment_key = wanted_segment_key
                      AND k.person_id = wanted_person_id
                    ORDER BY k.status_change_timestamp DESC, k.received_at DESC, places[k.lane_id] DESC,
                        k.kafka_offset DESC, epochs[k.lane_id] DESC
                    LIMIT 1
                ) AS n
                CROSS JOIN LATERAL (
                    SELECT f.* FROM segments.event AS f
                    WHERE f.person_id = wanted_person_id AND f.segment_key = wanted_segment_key
                      AND f.status_change_timestamp >= n.status_change_timestamp AND f.user_status <= 2
                    OFFSET 0
                ) AS e
                WHERE e.kafka_offset < old_ends[e.lane_id]
                  AND (e.status_change_timestamp, e.received_at, places[e.lane_id], e.kafka_offset, epochs[e.lane_id])
                    > (n.status_change_timestamp, n.received_at, n.place, n.kafka_offset, n.epoch)
            ) AS a
            ORDER BY a.received_at, places[a.lane_id], a.kafka_offset, epochs[a.lane_id]
            LIMIT 1
        ) AS beyond ON true;
    END IF;
    events := seen;
    state := CASE WHEN is_last THEN now_state END;
    tail := CASE WHEN is_last THEN left_over END;
    recorded_at := (SELECT max(r) FROM unnest(new_records) AS r);
    received_at := newest;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION projections.refold TO segments_project;
