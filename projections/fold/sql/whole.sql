-- Fold the whole log below given checkpoints into an empty slot, for one share of the people. The events of each key are
-- collected in the fold's order, and folded by one call. Parameters: slot, lane_id[], next_offset[], shares, share.
WITH lanes AS MATERIALIZED (
    -- Arrays by lane_id: a subscript for each event is cheaper than a join, and never becomes a nested loop.
    SELECT array_agg(coalesce(k.next_offset, 0) ORDER BY n.lane_id) AS ends,
        array_agg(coalesce(k.place, 0) ORDER BY n.lane_id) AS places,
        array_agg(coalesce(k.epoch, 0) ORDER BY n.lane_id) AS epochs
    FROM generate_series(1, (SELECT max(m.lane_id) FROM segments.lane AS m)) AS n (lane_id)
    LEFT JOIN (
        SELECT l.lane_id, c.next_offset, l.epoch, rank() OVER (ORDER BY l.topic, l.partition)::integer AS place
        FROM segments.lane AS l
        INNER JOIN unnest($2::integer[], $3::bigint[]) AS c (lane_id, next_offset) ON l.lane_id = c.lane_id
    ) AS k ON n.lane_id = k.lane_id
), gathered AS (
    -- The input is sorted once for all aggregates. They keep its order, because a statement that writes has no parallel
    -- workers.
    SELECT i.segment_key, i.person_id, array_agg(i.user_status) AS statuses, array_agg(i.lane_id) AS lanes,
        array_agg(i.kafka_offset) AS offsets, array_agg(i.status_change_timestamp) AS times,
        array_agg(i.received_at) AS receipts, array_agg(i.recorded_at) AS records,
        max(i.recorded_at) AS last_recorded_at, max(i.received_at) AS newest_received_at,
        CASE WHEN count(i.lapse) > 0 THEN array_agg(i.lapse) END AS lapses
    FROM (
        SELECT e.segment_key, e.person_id, e.user_status, e.lane_id, e.kafka_offset,
            e.status_change_timestamp, e.received_at, e.recorded_at,
            CASE WHEN e.expires_at IS NOT NULL OR e.expired_offset IS NOT NULL
                THEN ROW(e.expires_at, e.expired_lane_id, e.expired_offset)::projections.lapse END AS lapse
        FROM segments.event AS e
        WHERE e.person_id % $4 = $5 AND e.kafka_offset < (SELECT l.ends FROM lanes AS l)[e.lane_id]
        -- By person first: there are more people than segments, so fewer comparisons need the second column.
        ORDER BY e.person_id, e.segment_key, e.status_change_timestamp, e.received_at,
            (SELECT l.places FROM lanes AS l)[e.lane_id], e.kafka_offset, (SELECT l.epochs FROM lanes AS l)[e.lane_id]
    ) AS i
    GROUP BY i.person_id, i.segment_key
), folded AS MATERIALIZED (
    SELECT g.segment_key, g.person_id, g.times, g.records, g.statuses, g.lanes, g.offsets,
        (g.key).intervals, (g.key).codes, (g.key).is_member, (g.key).override, ROW(
        (g.key).is_member, (g.key).override, (g.key).automation_says, (g.key).effect,
        g.lanes[(g.key).member_nth], g.lanes[(g.key).stated_nth],
        g.offsets[(g.key).member_nth], g.offsets[(g.key).stated_nth],
        g.times[(g.key).member_nth], g.times[(g.key).override_nth], (g.key).expires_at, g.times[(g.key).change_nth],
        g.last_recorded_at, g.times[cardinality(g.times)], g.receipts[cardinality(g.times)],
        g.times[coalesce((g.key).interval_nth, 1)], g.offsets[(g.key).interval_nth],
        g.lanes[(g.key).interval_nth], g.statuses[(g.key).interval_nth], (g.key).interval_effect, g.newest_received_at
    )::segments.key_state AS state
    FROM (
        SELECT s.*, projections.fold_key(
            s.statuses, s.lapses, s.lanes, s.offsets, s.receipts, (SELECT l.places FROM lanes AS l), (SELECT l.epochs FROM lanes AS l)
        ) AS key
        FROM gathered AS s
        OFFSET 0 -- a fence: one call for each key, not for each use of key
    ) AS g
), blocks AS MATERIALIZED (
    SELECT o.lane_id, o.kafka_offset >> 8 AS block, count(*) AS events,
        projections.with_codes(NULL, array_agg((o.kafka_offset & 255)::integer), array_agg(o.code)) AS codes
    FROM (
        SELECT unnest(f.lanes) AS lane_id, unnest(f.offsets) AS kafka_offset, unnest(f.codes) AS code FROM folded AS f
    ) AS o
    GROUP BY 1, 2
), day_changes AS MATERIALIZED (
    -- date_bin is cheaper than AT TIME ZONE 'UTC', and no event is earlier than 1990. unnest is in the SELECT list, because
    -- in FROM it would copy each key's arrays.
    SELECT t.segment_key, (t.day AT TIME ZONE 'UTC')::date AS day, sum(t.joined) AS joined, sum(t.departed) AS departed,
        max(t.restated_at) AS restated_at, sum(t.added) AS added, sum(t.blocked) AS blocked
    FROM (
        SELECT u.segment_key, date_bin(interval '24 hours', u.at, timestamptz '1970-01-01 00:00:00+00') AS day,
            0 AS joined, 0 AS departed, max(u.recorded_at) AS restated_at, 0 AS added, 0 AS blocked
        FROM (SELECT f.segment_key, unnest(f.times) AS at, unnest(f.records) AS recorded_at FROM folded AS f) AS u
        GROUP BY 1, 2
        UNION ALL
        SELECT u.segment_key, date_bin(interval '24 hours', u.at, timestamptz '1970-01-01 00:00:00+00'),
            count(*) FILTER (WHERE u.began & 4 <> 0), count(*) FILTER (WHERE u.began & 4 = 0), NULL,
            count(*) FILTER (WHERE u.began & 7 = 5), count(*) FILTER (WHERE u.began & 7 = 2)
        FROM (
            SELECT x.segment_key, x.times[x.began >> 5] AS at, x.began FROM (
                SELECT f.segment_key, f.times, unnest(f.intervals) AS began FROM folded AS f
            ) AS x
            WHERE x.began & 8 <> 0
        ) AS u
        GROUP BY 1, 2
    ) AS t
    GROUP BY t.segment_key, t.day
), sizes AS (
    INSERT INTO projections.size AS z (slot, segment_key, lane_id, members, added, blocked)
    SELECT $1, f.segment_key, 0, count(*) FILTER (WHERE f.is_member),
        count(*) FILTER (WHERE f.override = 1), count(*) FILTER (WHERE f.override = 2)
    FROM folded AS f GROUP BY f.segment_key ORDER BY f.segment_key
    ON CONFLICT (slot, segment_key, lane_id) DO UPDATE SET
        members = z.members + excluded.members, added = z.added + excluded.added,
        blocked = z.blocked + excluded.blocked
), days AS (
    INSERT INTO projections.size_daily AS d (slot, segment_key, day, lane_id, joined, departed, restated_at, added, blocked)
    SELECT $1, c.segment_key, c.day, 0, c.joined, c.departed, c.restated_at, c.added, c.blocked FROM day_changes AS c
    ORDER BY c.segment_key, c.day
    ON CONFLICT (slot, segment_key, day, lane_id) DO UPDATE SET
        joined = d.joined + excluded.joined, departed = d.departed + excluded.departed,
        restated_at = greatest(d.restated_at, excluded.restated_at), added = d.added + excluded.added,
        blocked = d.blocked + excluded.blocked
), outcomes AS (
    INSERT INTO projections.outcome AS o (slot, lane_id, block, codes)
    SELECT $1, b.lane_id, b.block, b.codes FROM blocks AS b
    ORDER BY b.lane_id, b.block
    ON CONFLICT (slot, lane_id, block) DO UPDATE SET codes = projections.merged_codes(o.codes, excluded.codes)
), intervals AS (
    -- Each interval with the next one.
    INSERT INTO projections.past_interval (
        slot, segment_key, person_id, valid_from, valid_to, lane_id, kafka_offset, user_status, effect, is_member, override
    )
    SELECT $1, n.segment_key, n.person_id, n.times[n.began >> 5], n.times[n.ended >> 5],
        n.lanes[n.nth], n.offsets[n.nth], n.statuses[n.nth], CASE WHEN n.nth IS NOT NULL THEN n.began >> 3 & 3 END,
        n.began & 4 <> 0, n.began & 3
    FROM (
        SELECT x.*, CASE WHEN x.began > 32 THEN x.began >> 5 END AS nth
        FROM (
            SELECT f.*, unnest(f.intervals) AS began, unnest(f.intervals[2:]) AS ended FROM folded AS f
        ) AS x
        WHERE x.ended IS NOT NULL
    ) AS n
), states AS (
    INSERT INTO projections.membership (
        slot, segment_key, person_id, network_id, segment_id, tail,
        is_member, override, automation_says, effect, member_lane_id, stated_lane_id, member_offset, stated_offset,
        member_since, override_since, expires_at, last_change_at, last_recorded_at, last_timestamp, last_received_at,
        valid_from, from_offset, from_lane_id, from_status, from_effect, newest_received_at
    )
    SELECT $1, f.segment_key, f.person_id, s.network_id, s.segment_id, cardinality(f.times), (f.state).*
    FROM folded AS f INNER JOIN segments.segment AS s ON f.segment_key = s.segment_key
)
-- Concurrent shares update the same rows of sizes, days and outcomes, and wait there for the commit of the other. Postgres runs
-- the final query first, and then the writing parts from last to first, so shares wait only after all other work.
SELECT coalesce(sum(b.events), 0)::bigint AS events, (SELECT count(*) FROM day_changes AS d) AS days FROM blocks AS b
