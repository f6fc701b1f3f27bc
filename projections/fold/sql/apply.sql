-- Fold a batch of claimed lanes into the state rows and sizes. The rows of its keys are locked.
-- A key continues from its state if its events in the batch arrived in the fold's order, and are later than all folded events
-- of the key by both time and receipt; then none is superseded. Any other key is late: it is folded again from the log below
-- the checkpoints, without the batch (sign -1) and with it (sign 1). Late keys with many events are returned instead, for
-- projections.refold.
-- An interval is inserted with the change that ends it. Intervals of late keys that no longer exist are deleted.
-- Sizes are sums of signs. A batch adds them to the rows of its first lane, which no other transaction writes while the lane
-- is claimed.
-- Parameters: slot, lane_id[], first offset[], next offset[], projection, the minimum of many events.
WITH batch AS MATERIALIZED (
    SELECT e.segment_key, e.person_id, e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at,
        e.lane_id, e.kafka_offset, e.expires_at, e.expired_lane_id, e.expired_offset
    FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS w (lane_id, first, until)
    CROSS JOIN LATERAL (
        SELECT * FROM segments.event AS f
        WHERE f.lane_id = w.lane_id AND f.kafka_offset >= w.first AND f.kafka_offset < w.until
        OFFSET 0
    ) AS e
), touched AS MATERIALIZED (
    SELECT m.row_id, m.segment_key, m.person_id, m.state, m.tail, t.late, t.late AND m.tail >= $6::integer AS long
    FROM (
        SELECT o.segment_key, o.person_id, min(o.status_change_timestamp) AS status_change_timestamp,
            min(o.received_at) AS received_at, bool_or(o.is_early) AS mixed
        FROM (
            -- Equal receipts in two lanes count as mixed: the result is the same, and this is rare.
            SELECT a.segment_key, a.person_id, a.status_change_timestamp, a.received_at, coalesce(
                a.status_change_timestamp < lag(a.status_change_timestamp) OVER arrival
                OR (a.received_at = lag(a.received_at) OVER arrival AND a.lane_id <> lag(a.lane_id) OVER arrival), false
            ) AS is_early
            FROM batch AS a
            WINDOW arrival AS (PARTITION BY a.segment_key, a.person_id ORDER BY a.received_at, a.lane_id, a.kafka_offset)
        ) AS o
        GROUP BY o.segment_key, o.person_id
    ) AS b
    CROSS JOIN LATERAL (
        SELECT n.ctid AS row_id, n.segment_key, n.person_id, projections.state_of(n) AS state, n.tail FROM projections.membership AS n
        WHERE n.slot = $1 AND n.segment_key = b.segment_key AND n.person_id = b.person_id
        OFFSET 0
    ) AS m
    CROSS JOIN LATERAL (
        -- Equal receipts count as late: the result is the same, and this is rare between batches.
        SELECT b.mixed OR coalesce(b.status_change_timestamp < (m.state).last_timestamp
            OR b.received_at <= (m.state).newest_received_at, false) AS late
    ) AS t
), early AS MATERIALIZED (
    SELECT t.row_id, e.segment_key, e.person_id, e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at,
        e.lane_id, e.kafka_offset, e.expires_at, e.expired_lane_id, e.expired_offset
    FROM touched AS t
    CROSS JOIN LATERAL (
        SELECT * FROM segments.event AS f
        WHERE f.segment_key = t.segment_key AND f.person_id = t.person_id AND f.kafka_offset < (
            SELECT c.next_offset FROM projections.checkpoint AS c
            WHERE c.projection = $5 AND c.slot = $1 AND c.lane_id = f.lane_id
        )
        OFFSET 0
    ) AS e
    WHERE t.late AND NOT t.long
), input AS (
    -- FULL, although each row has a match, because a full join is always hashed or merged. Before the tables' first ANALYZE
    -- the planner expects one row in a batch, and would choose a nested loop.
    SELECT 1 AS sign, CASE WHEN t.late THEN NULL ELSE t.state END AS start,
        CASE WHEN t.late THEN 0 ELSE t.tail END AS tail, t.late, t.row_id, b.*
    FROM batch AS b
    FULL JOIN touched AS t ON b.segment_key = t.segment_key AND b.person_id = t.person_id
    WHERE NOT t.long
    UNION ALL
    SELECT s.sign, NULL, 0, true, e.* FROM early AS e CROSS JOIN (VALUES (-1), (1)) AS s (sign)
), folded AS MATERIALIZED (
    SELECT i.sign, i.late, i.row_id, i.segment_key, i.person_id, i.start, i.status_change_timestamp, i.received_at,
        i.recorded_at, i.lane_id, i.kafka_offset, i.user_status,
        segments.fold(
            i.start, i.user_status, i.status_change_timestamp, i.received_at, i.recorded_at,
            i.lane_id, i.kafka_offset, i.expires_at, i.expired_lane_id, i.expired_offset
        ) OVER in_order AS state,
        i.tail + row_number() OVER in_order AS tail,
        lead(1) OVER in_order IS NULL AS is_last
    FROM input AS i
    INNER JOIN segments.lane AS l ON i.lane_id = l.lane_id
    WINDOW in_order AS (
        PARTITION BY i.sign, i.segment_key, i.person_id
        ORDER BY i.status_change_timestamp, i.received_at, l.topic, l.partition, i.kafka_offset, l.epoch
        ROWS UNBOUNDED PRECEDING
    )
), stated AS (
    -- By row id, which can't change while the rows are locked.
    UPDATE projections.membership AS m SET tail = f.tail, (
        is_member, override, automation_says, effect, member_lane_id, stated_lane_id, member_offset, stated_offset,
        member_since, override_since, expires_at, last_change_at, last_recorded_at, last_timestamp, last_received_at,
        valid_from, from_offset, from_lane_id, from_status, from_effect, newest_received_at
    ) = ROW((f.state).*)
    FROM folded AS f
    WHERE f.is_last AND f.sign = 1 AND m.slot = $1 AND m.ctid = f.row_id
    RETURNING m.segment_key, m.person_id, m.tail
), past AS MATERIALIZED (
    SELECT sum(b.sign) AS sign, b.segment_key, b.person_id, (b.before).valid_from, b.status_change_timestamp AS valid_to,
        (b.before).from_lane_id, (b.before).from_offset, (b.before).from_status, (b.before).from_effect,
        (b.before).is_member, (b.before).override
    FROM (
        -- All states between two changes have the same interval, so the state after the change before is used.
        SELECT f.sign, f.segment_key, f.person_id, f.status_change_timestamp, lag(f.state, 1, f.start) OVER (
            PARTITION BY f.sign, f.segment_key, f.person_id ORDER BY f.tail
        ) AS before
        FROM folded AS f
        WHERE (f.state).effect & 3 <> 0 OR (f.tail = 1 AND (f.start).is_member IS NULL)
    ) AS b
    WHERE (b.before).is_member IS NOT NULL
    GROUP BY b.segment_key, b.person_id, (b.before).valid_from, b.status_change_timestamp, (b.before).from_lane_id,
        (b.before).from_offset, (b.before).from_status, (b.before).from_effect, (b.before).is_member, (b.before).override
    HAVING sum(b.sign) <> 0
), begun AS (
    INSERT INTO projections.past_interval (
        slot, segment_key, person_id, valid_from, valid_to, lane_id, kafka_offset, user_status, effect, is_member, override
    )
    SELECT $1, p.segment_key, p.person_id, p.valid_from, p.valid_to, p.from_lane_id, p.from_offset, p.from_status,
        p.from_effect, p.is_member, p.override
    FROM past AS p WHERE p.sign > 0
), taken AS (
    DELETE FROM projections.past_interval AS i
    USING (
        SELECT o.row_id FROM past AS p
        CROSS JOIN LATERAL (
            SELECT n.ctid AS row_id FROM projections.past_interval AS n
            WHERE n.slot = $1 AND n.person_id = p.person_id AND n.segment_key = p.segment_key
                AND n.valid_from = p.valid_from AND n.valid_to = p.valid_to
                AND n.lane_id IS NOT DISTINCT FROM p.from_lane_id AND n.kafka_offset IS NOT DISTINCT FROM p.from_offset
                AND n.is_member = p.is_member AND n.override = p.override
            LIMIT 1
        ) AS o
        WHERE p.sign < 0
    ) AS t
    WHERE i.slot = $1 AND i.ctid = t.row_id
    RETURNING 1
), outcomes AS (
    SELECT f.lane_id, f.kafka_offset, segments.outcome_code((f.state).effect, false) AS code
    FROM folded AS f
    WHERE NOT f.late
    UNION ALL
    SELECT l.lane_id, l.kafka_offset, min(l.code) FILTER (WHERE l.sign = 1)
    FROM (
        -- As in projections.history.
        SELECT a.sign, a.lane_id, a.kafka_offset, segments.outcome_code(a.effect, segments.is_superseded(
            a.user_status, min(a.arrival) FILTER (WHERE a.user_status <= 2) OVER backwards, a.arrival
        )) AS code
        FROM (
            SELECT f.sign, f.segment_key, f.person_id, f.lane_id, f.kafka_offset, f.user_status, f.tail,
                (f.state).effect,
                row_number() OVER (
                    PARTITION BY f.sign, f.segment_key, f.person_id
                    ORDER BY f.received_at, l.topic, l.partition, f.kafka_offset, l.epoch
                ) AS arrival
            FROM folded AS f
            INNER JOIN segments.lane AS l ON f.lane_id = l.lane_id
            WHERE f.late
        ) AS a
        WINDOW backwards AS (
            PARTITION BY a.sign, a.segment_key, a.person_id ORDER BY a.tail DESC ROWS UNBOUNDED PRECEDING
        )
    ) AS l
    GROUP BY l.lane_id, l.kafka_offset
    HAVING sum(l.sign * l.code) <> 0
), days AS (
    INSERT INTO projections.size_daily AS d (slot, segment_key, day, lane_id, joined, departed, restated_at, added, blocked)
    SELECT $1, f.segment_key, (f.status_change_timestamp AT TIME ZONE 'UTC')::date, ($2::integer[])[1],
        coalesce(sum(f.sign) FILTER (WHERE (f.state).effect & 1 <> 0 AND (f.state).is_member), 0),
        coalesce(sum(f.sign) FILTER (WHERE (f.state).effect & 1 <> 0 AND NOT (f.state).is_member), 0),
        max(f.recorded_at) FILTER (WHERE f.sign = 1),
        -- An override that stands after the change made it.
        coalesce(sum(f.sign) FILTER (WHERE (f.state).effect & 1 <> 0 AND (f.state).is_member AND (f.state).override = 1), 0),
        coalesce(sum(f.sign) FILTER (WHERE (f.state).effect & 1 <> 0 AND NOT (f.state).is_member AND (f.state).override = 2), 0)
    FROM folded AS f
    GROUP BY f.segment_key, (f.status_change_timestamp AT TIME ZONE 'UTC')::date
    ORDER BY 2, 3
    ON CONFLICT (slot, segment_key, day, lane_id) DO UPDATE SET
        joined = d.joined + excluded.joined,
        departed = d.departed + excluded.departed,
        restated_at = greatest(d.restated_at, excluded.restated_at),
        added = d.added + excluded.added,
        blocked = d.blocked + excluded.blocked
), sizes AS (
    INSERT INTO projections.size AS z (slot, segment_key, lane_id, members, added, blocked)
    SELECT $1, c.segment_key, ($2::integer[])[1], sum(c.members), sum(c.added), sum(c.blocked)
    FROM (
        SELECT f.segment_key, (f.state).is_member::integer AS members,
            ((f.state).override = 1)::integer AS added, ((f.state).override = 2)::integer AS blocked
        FROM folded AS f WHERE f.is_last AND f.sign = 1
        UNION ALL
        SELECT t.segment_key, -(t.state).is_member::integer,
            -((t.state).override = 1)::integer, -((t.state).override = 2)::integer
        FROM touched AS t WHERE (t.state).is_member IS NOT NULL AND NOT t.long
    ) AS c
    GROUP BY c.segment_key
    ON CONFLICT (slot, segment_key, lane_id) DO UPDATE SET
        members = z.members + excluded.members,
        added = z.added + excluded.added,
        blocked = z.blocked + excluded.blocked
), left_over AS (
    SELECT t.segment_key, t.person_id, (array_agg(b.lane_id ORDER BY b.kafka_offset))[1] AS lane_id,
        min(b.kafka_offset) AS kafka_offset, min(b.status_change_timestamp) AS first_at,
        (array_agg(b.received_at ORDER BY b.status_change_timestamp, b.received_at))[1] AS first_received_at,
        max(b.status_change_timestamp) AS last_at,
        (array_agg(b.received_at ORDER BY b.status_change_timestamp DESC, b.received_at DESC))[1] AS last_received_at
    FROM touched AS t
    INNER JOIN batch AS b ON t.segment_key = b.segment_key AND t.person_id = b.person_id
    WHERE t.long
    GROUP BY t.segment_key, t.person_id
)
SELECT (SELECT count(*) FROM batch) AS events,
    (
        SELECT sum(projections.set_codes($1, b.lane_id, b.block, b.places, b.codes))
        FROM (
            SELECT o.lane_id, o.kafka_offset >> 8 AS block, array_agg((o.kafka_offset & 255)::integer) AS places,
                array_agg(o.code) AS codes
            FROM outcomes AS o
            GROUP BY 1, 2
            ORDER BY 1, 2
        ) AS b
    ) AS outcomes,
    (SELECT count(*) FROM touched AS t WHERE t.late AND (t.state).is_member IS NOT NULL) AS late,
    (SELECT count(*) FROM touched) AS keys,
    (SELECT count(*) FROM stated) AS stated,
    (SELECT count(*) FROM past AS p WHERE p.sign < 0) - (SELECT count(*) FROM taken) AS not_found,
    -- Long keys that are late, with the lane and the least offset of their events in the batch, and the times of the first and
    -- last of these in the fold's order.
    ARRAY(SELECT r FROM left_over AS r ORDER BY r.kafka_offset) AS long,
    -- Keys that have become long.
    ARRAY(SELECT (s.segment_key, s.person_id) FROM stated AS s WHERE s.tail >= 2 * $6::integer) AS grown
