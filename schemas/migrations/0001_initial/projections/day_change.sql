-- The effect of events on the daily sizes of a segment: users who joined and users who left. An event alters its own day, and
-- later days if it changes which of the key's later events change is_member. Each change is attributed to its event; events
-- are ordered by recorded_at, then by position.

-- The changes to member and to non-member that an event added to a day, or removed from it.
CREATE TYPE projections.day_change AS (
    person_id bigint,
    lane_id integer,
    kafka_offset bigint,
    recorded_at timestamptz,
    is_after boolean, -- not below `until`
    day date,
    joined integer,
    departed integer
);

-- The effects of one key's events at or above `since`, lane by lane, those below `until` first. Each event is inserted at its
-- place among the events before it, and the events after it are folded again until a state is unchanged.
CREATE FUNCTION projections.key_day_changes(
    wanted_segment integer, wanted_person bigint, lanes integer [], since bigint [], until bigint []
) RETURNS SETOF projections.day_change LANGUAGE plpgsql STABLE AS $$
DECLARE
    -- In the fold's order.
    events segments.event[];
    states segments.key_state[];
    event segments.event;
    arrived record;
    before segments.key_state; -- the state before an event, without the new one
    now segments.key_state; -- and with the new one
    was segments.key_state;
    is_member boolean;
    changed projections.day_change[];
    place integer;
BEGIN
    FOR arrived IN
        SELECT e AS event, l.topic, l.partition, l.epoch, coalesce(e.kafka_offset < w.since, false) AS is_base
        FROM segments.event AS e
        INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
        INNER JOIN projections.serving_checkpoint AS c ON e.lane_id = c.lane_id AND e.kafka_offset < c.next_offset
        LEFT JOIN unnest(lanes, key_day_changes.since) AS w (lane_id, since) ON e.lane_id = w.lane_id
        WHERE e.segment_key = wanted_segment AND e.person_id = wanted_person
        ORDER BY e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch
    LOOP
        events := events || arrived.event;
        IF arrived.is_base THEN
            event := arrived.event;
            now := segments.fold_step(now, NULL, event.user_status, event.status_change_timestamp, event.received_at,
                event.recorded_at, event.lane_id, event.kafka_offset, event.expires_at, event.expired_lane_id,
                event.expired_offset);
            states[cardinality(events)] := now;
        END IF;
    END LOOP;
    FOR arrived IN
        SELECT a.place::integer AS place, coalesce(a.kafka_offset >= w.until, false) AS is_after
        FROM unnest(events) WITH ORDINALITY AS a (
            lane_id, segment_key, kafka_offset, person_id, status_change_timestamp, received_at, recorded_at, user_status,
            content, reference_id, discriminator, expires_at, expired_lane_id, expired_offset, source, actor, request_id,
            user_sent, description, metadata, digest, blanked, place
        )
        INNER JOIN segments.lane AS l ON a.lane_id = l.lane_id
        LEFT JOIN unnest(lanes, key_day_changes.since, key_day_changes.until) AS w (lane_id, since, until)
            ON a.lane_id = w.lane_id
        WHERE a.kafka_offset >= coalesce(w.since, a.kafka_offset)
        ORDER BY is_after, a.recorded_at, l.topic, l.partition, l.epoch, a.kafka_offset
    LOOP
        place := arrived.place - 1;
        WHILE place > 0 AND states[place] IS NULL LOOP
            place := place - 1;
        END LOOP;
        before := CASE WHEN place > 0 THEN states[place] END;
        now := before;
        changed := '{}';
        FOR place IN arrived.place .. cardinality(events) LOOP
            was := states[place];
            CONTINUE WHEN was IS NULL AND place > arrived.place;
            event := events[place];
            is_member := coalesce(now.is_member, false);
            now := segments.fold_step(now, NULL, event.user_status, event.status_change_timestamp, event.received_at,
                event.recorded_at, event.lane_id, event.kafka_offset, event.expires_at, event.expired_lane_id,
                event.expired_offset);
            IF now.is_member <> is_member THEN
                changed := changed || ROW(NULL, NULL, NULL, NULL, NULL, (event.status_change_timestamp AT TIME ZONE 'UTC')::date,
                    now.is_member::integer, is_member::integer)::projections.day_change;
            END IF;
            IF place > arrived.place THEN
                is_member := coalesce(before.is_member, false);
                IF was.is_member <> is_member THEN
                    changed := changed
                        || ROW(NULL, NULL, NULL, NULL, NULL, (event.status_change_timestamp AT TIME ZONE 'UTC')::date,
                        -was.is_member::integer, -is_member::integer)::projections.day_change;
                END IF;
                before := was;
            END IF;
            states[place] := now;
            EXIT WHEN place > arrived.place AND (now.is_member, now.override, now.stated_lane_id, now.stated_offset)
                IS NOT DISTINCT FROM (was.is_member, was.override, was.stated_lane_id, was.stated_offset);
        END LOOP;
        event := events[arrived.place];
        RETURN QUERY SELECT wanted_person, event.lane_id, event.kafka_offset, event.recorded_at, arrived.is_after, c.day,
            sum(c.joined)::integer, sum(c.departed)::integer
        FROM unnest(changed) AS c GROUP BY c.day HAVING sum(c.joined) <> 0 OR sum(c.departed) <> 0;
    END LOOP;
END $$;

-- The effects of a segment's events, in order. unmoved_before: keys whose events were all recorded before it are skipped.
CREATE FUNCTION projections.segment_day_changes(
    wanted_segment integer, lanes integer [], since bigint [], until bigint [], unmoved_before timestamptz
) RETURNS TABLE (nth bigint, change projections.day_change) LANGUAGE sql STABLE AS $$
    SELECT
        dense_rank() OVER (ORDER BY (c).is_after, (c).recorded_at, l.topic, l.partition, l.epoch, (c).kafka_offset),
        c
    FROM projections.serving_membership AS m
    CROSS JOIN LATERAL projections.key_day_changes($1, m.person_id, $2, $3, $4) AS c
    INNER JOIN segments.lane AS l ON (c).lane_id = l.lane_id
    WHERE m.segment_key = $1 AND (m.state).last_recorded_at >= $5
    ORDER BY 1, (c).day
$$;

-- The same with the values of each day before and after it: members at its end, users who joined, users who left. The initial
-- values are the present ones less all effects since. The members are in a binary indexed tree.
CREATE FUNCTION projections.moved_days(
    wanted_segment integer, lanes integer [] DEFAULT NULL, since bigint [] DEFAULT NULL, until bigint [] DEFAULT NULL,
    unmoved_before timestamptz DEFAULT '-infinity', OUT change projections.day_change,
    OUT members_before bigint, OUT members_after bigint, OUT joined_before bigint, OUT joined_after bigint,
    OUT left_before bigint, OUT left_after bigint
) RETURNS SETOF record LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changes projections.day_change[];
    numbers bigint[];
    days date[];
    joined bigint[];
    departed bigint[];
    tree bigint[];
    step record;
    place integer;
BEGIN
    SELECT array_agg(c.change ORDER BY c.nth, (c.change).day), array_agg(c.nth ORDER BY c.nth, (c.change).day)
    INTO changes, numbers
    FROM projections.segment_day_changes(wanted_segment, lanes, since, until, unmoved_before) AS c;
    SELECT array_agg(d.day ORDER BY d.day), array_agg(d.joined ORDER BY d.day), array_agg(d.departed ORDER BY d.day)
    INTO days, joined, departed
    FROM (
        SELECT b.day, sum(b.joined)::bigint AS joined, sum(b.departed)::bigint AS departed
        FROM (
            SELECT v.day, v.members_joined AS joined, v.members_left AS departed
            FROM reporting.segment_size_daily AS v
            INNER JOIN segments.segment AS s ON v.network_id = s.network_id AND v.segment_id = s.segment_id
            WHERE s.segment_key = wanted_segment
            UNION ALL
            SELECT c.day, -c.joined, -c.departed FROM unnest(changes) AS c
        ) AS b GROUP BY b.day
    ) AS d;
    tree := array_fill(0::bigint, ARRAY[coalesce(cardinality(days), 0)]);
    FOR nth IN 1 .. coalesce(cardinality(days), 0) LOOP
        tree[nth] := tree[nth] + joined[nth] - departed[nth];
        place := nth + (nth & -nth);
        IF place <= cardinality(days) THEN
            tree[place] := tree[place] + tree[nth];
        END IF;
    END LOOP;
    FOR step IN
        SELECT c.change, d.place::integer AS place,
            sum((c.change).joined - (c.change).departed) OVER (PARTITION BY c.number ORDER BY (c.change).day) AS moved
        FROM (
            SELECT changes[i] AS change, numbers[i] AS number FROM generate_subscripts(numbers, 1) AS i
        ) AS c
        INNER JOIN unnest(days) WITH ORDINALITY AS d (day, place) ON (c.change).day = d.day
        ORDER BY c.number, (c.change).day
    LOOP
        change := step.change;
        EXIT WHEN change.is_after;
        joined_before := joined[step.place];
        left_before := departed[step.place];
        joined_after := joined_before + change.joined;
        left_after := left_before + change.departed;
        joined[step.place] := joined_after;
        departed[step.place] := left_after;
        place := step.place;
        WHILE place <= cardinality(days) LOOP
            tree[place] := tree[place] + change.joined - change.departed;
            place := place + (place & -place);
        END LOOP;
        members_after := 0;
        place := step.place;
        WHILE place > 0 LOOP
            members_after := members_after + tree[place];
            place := place - (place & -place);
        END LOOP;
        members_before := members_after - step.moved;
        RETURN NEXT;
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION projections.key_day_changes, projections.segment_day_changes TO segments_operate, segments_api;
GRANT EXECUTE ON FUNCTION projections.moved_days TO segments_operate, segments_api, segments_report, segments_report_network;
