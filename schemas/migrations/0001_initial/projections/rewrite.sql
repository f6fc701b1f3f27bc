-- Write the difference between the stored rows of a stretch of a key and its new fold: ended intervals, outcomes, and daily
-- sizes.
-- start: the state before the stretch, null if it begins with the key's first event. stands: the former state after it. The
-- arrays hold the events of the stretch in the fold's order; intervals and codes are as from projections.fold_key,
-- superseded as from projections.superseded. new_*: the batch's events. first_lane_id: the lane of the daily sizes.
CREATE FUNCTION projections.rewrite(
    wanted_slot smallint, wanted_segment_key integer, wanted_person_id bigint, first_lane_id integer,
    start segments.key_state, stands segments.key_state,
    lanes integer [], offsets bigint [], statuses smallint [], times timestamptz [], intervals integer [], codes integer [],
    new_times timestamptz [], new_records timestamptz [], superseded integer []
) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$ -- a plan is kept, and may be older than the tables are large
#variable_conflict use_column
BEGIN
    WITH event AS MATERIALIZED (
        SELECT e.lane_id, e.kafka_offset FROM unnest(lanes, offsets) AS e (lane_id, kafka_offset)
    ), is_now AS (
        SELECT times[b.nth] AS valid_from, times[b.ended] AS valid_to, lanes[b.began] AS lane_id,
            offsets[b.began] AS kafka_offset, statuses[b.began] AS user_status, b.effect, b.is_member, b.override
        FROM (
            SELECT i.began >> 5 AS nth, CASE WHEN i.began > 32 THEN i.began >> 5 END AS began,
                (lead(i.began) OVER (ORDER BY i.place)) >> 5 AS ended,
                CASE WHEN i.began > 32 THEN i.began >> 3 & 3 END AS effect, i.began & 4 <> 0 AS is_member,
                i.began & 3 AS override
            FROM unnest(intervals) WITH ORDINALITY AS i (began, place)
        ) AS b
        UNION ALL
        -- The current interval before the stretch.
        SELECT start.valid_from, times[intervals[1] >> 5], start.from_lane_id, start.from_offset, start.from_status,
            start.from_effect, start.is_member, start.override
        WHERE start.is_member IS NOT NULL
    ), was AS (
        SELECT i.ctid AS row_id, i.valid_from, i.valid_to, i.lane_id, i.kafka_offset, i.effect, i.is_member, i.override
        FROM projections.past_interval AS i
        LEFT JOIN event AS e ON i.lane_id = e.lane_id AND i.kafka_offset = e.kafka_offset
        WHERE i.slot = wanted_slot AND i.person_id = wanted_person_id AND i.segment_key = wanted_segment_key
          AND i.valid_from BETWEEN coalesce(start.valid_from, '-infinity') AND times[cardinality(times)]
          AND (i.lane_id, i.kafka_offset) IS DISTINCT FROM (stands.from_lane_id, stands.from_offset)
          AND (e.lane_id IS NOT NULL
            OR (i.lane_id, i.kafka_offset) IS NOT DISTINCT FROM (start.from_lane_id, start.from_offset))
        UNION ALL
        SELECT NULL, stands.valid_from, NULL, stands.from_lane_id, stands.from_offset, stands.from_effect, stands.is_member,
            stands.override
    ), changed AS MATERIALIZED (
        -- An event begins at most one interval, and no event began at most one of a key.
        SELECT w.row_id, w.valid_from AS old_from, w.effect AS old_effect, w.is_member AS was_member, w.override AS old_override, n.*
        FROM was AS w
        FULL JOIN is_now AS n
            ON coalesce(w.lane_id, 0) = coalesce(n.lane_id, 0) AND coalesce(w.kafka_offset, 0) = coalesce(n.kafka_offset, 0)
        WHERE (w.valid_from, w.valid_to, w.effect, w.is_member, w.override)
            IS DISTINCT FROM (n.valid_from, n.valid_to, n.effect, n.is_member, n.override)
    ), begun AS (
        INSERT INTO projections.past_interval (
            slot, segment_key, person_id, valid_from, valid_to, lane_id, kafka_offset, user_status, effect, is_member,
            override
        )
        SELECT wanted_slot, wanted_segment_key, wanted_person_id, c.valid_from, c.valid_to, c.lane_id, c.kafka_offset,
            c.user_status, c.effect, c.is_member, c.override
        FROM changed AS c WHERE c.valid_to IS NOT NULL
    ), taken AS (
        DELETE FROM projections.past_interval AS i USING changed AS c WHERE i.slot = wanted_slot AND i.ctid = c.row_id
    )
    INSERT INTO projections.size_daily AS d (slot, segment_key, day, lane_id, joined, departed, restated_at, added, blocked)
    SELECT wanted_slot, wanted_segment_key, (f.at AT TIME ZONE 'UTC')::date, first_lane_id, sum(f.joined), sum(f.departed),
        max(f.restated_at), sum(f.added), sum(f.blocked)
    FROM (
        SELECT c.valid_from AS at, c.is_member::integer AS joined, (NOT c.is_member)::integer AS departed,
            NULL::timestamptz AS restated_at, (c.is_member AND c.override = 1)::integer AS added,
            (NOT c.is_member AND c.override = 2)::integer AS blocked
        FROM changed AS c WHERE c.effect & 1 <> 0
        UNION ALL
        SELECT c.old_from, -c.was_member::integer, -(NOT c.was_member)::integer, NULL,
            -(c.was_member AND c.old_override = 1)::integer, -(NOT c.was_member AND c.old_override = 2)::integer
        FROM changed AS c WHERE c.old_effect & 1 <> 0
        UNION ALL
        SELECT n.at, 0, 0, n.recorded_at, 0, 0 FROM unnest(new_times, new_records) AS n (at, recorded_at)
    ) AS f
    GROUP BY 3
    HAVING sum(f.joined) <> 0 OR sum(f.departed) <> 0 OR max(f.restated_at) IS NOT NULL OR sum(f.added) <> 0
        OR sum(f.blocked) <> 0
    ORDER BY 3
    ON CONFLICT (slot, segment_key, day, lane_id) DO UPDATE SET
        joined = d.joined + excluded.joined,
        departed = d.departed + excluded.departed,
        restated_at = greatest(d.restated_at, excluded.restated_at),
        added = d.added + excluded.added,
        blocked = d.blocked + excluded.blocked;

    PERFORM projections.set_codes(wanted_slot, b.lane_id, b.block, b.places, b.codes)
    FROM (
        SELECT e.lane_id, e.kafka_offset >> 8 AS block, array_agg((e.kafka_offset & 255)::integer) AS places,
            array_agg(e.code + CASE WHEN u.nth IS NULL THEN 0 ELSE 16 END) AS codes
        FROM unnest(lanes, offsets, codes) WITH ORDINALITY AS e (lane_id, kafka_offset, code, nth)
        LEFT JOIN unnest(superseded) AS u (nth) ON e.nth = u.nth
        GROUP BY 1, 2
        ORDER BY 1, 2
    ) AS b
    LEFT JOIN LATERAL (
        SELECT o.codes FROM projections.outcome AS o
        WHERE o.slot = wanted_slot AND o.lane_id = b.lane_id AND o.block = b.block
        OFFSET 0
    ) AS o ON true
    WHERE projections.with_codes(o.codes, b.places, b.codes) IS DISTINCT FROM o.codes;
END $$;
GRANT EXECUTE ON FUNCTION projections.rewrite TO segments_project;
