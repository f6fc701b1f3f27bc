-- Fold a batch of claimed lanes into the state rows and sizes; its keys' rows are locked.
-- A key whose batch holds nothing earlier than what it has folded goes on from its state; any other is late and
-- folded anew from the log below the checkpoints, twice: as it was (sign -1) and with the batch (sign 1).
-- Late keys with many events are left to refold.sql, which folds a part of them: they are told.
-- Sizes are sums of signs; all of a batch go to its first lane's rows, which are nobody else's while it is claimed.
-- Parameters: slot, lane_id[], first offset[], next offset[], projection, how many events are many.
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
        SELECT DISTINCT ON (segment_key, person_id) segment_key, person_id, status_change_timestamp, received_at
        FROM batch ORDER BY segment_key, person_id, status_change_timestamp, received_at
    ) AS b
    CROSS JOIN LATERAL (
        SELECT n.ctid AS row_id, n.segment_key, n.person_id, n.state, n.tail FROM projections.membership AS n
        WHERE n.slot = $1 AND n.segment_key = b.segment_key AND n.person_id = b.person_id
        OFFSET 0
    ) AS m
    CROSS JOIN LATERAL (
        -- Equal in both is taken for late: exact, and rare between batches.
        SELECT coalesce((b.status_change_timestamp, b.received_at)
            <= ((m.state).last_timestamp, (m.state).last_received_at), false) AS late
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
    -- FULL, though each side has its other: it is hashed or merged always. Before the tables' first ANALYZE the
    -- planner takes a batch for one row, and would loop over all pairs.
    SELECT 1 AS sign, CASE WHEN t.late THEN NULL ELSE t.state END AS start,
        CASE WHEN t.late THEN 0 ELSE t.tail END AS tail, t.row_id, b.*
    FROM batch AS b
    FULL JOIN touched AS t ON b.segment_key = t.segment_key AND b.person_id = t.person_id
    WHERE NOT t.long
    UNION ALL
    SELECT s.sign, NULL, 0, e.* FROM early AS e CROSS JOIN (VALUES (-1), (1)) AS s (sign)
), folded AS MATERIALIZED (
    SELECT i.sign, i.row_id, i.segment_key, i.person_id, i.status_change_timestamp, i.recorded_at,
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
    -- By row id: the rows are locked, so they are where they were found.
    UPDATE projections.membership AS m SET state = f.state, tail = f.tail
    FROM folded AS f
    WHERE f.is_last AND f.sign = 1 AND m.slot = $1 AND m.ctid = f.row_id
    RETURNING m.segment_key, m.person_id, m.tail
), days AS (
    INSERT INTO projections.size_daily AS d (slot, segment_key, day, lane_id, joined, departed, restated_at)
    SELECT $1, f.segment_key, (f.status_change_timestamp AT TIME ZONE 'UTC')::date, ($2::integer[])[1],
        coalesce(sum(f.sign) FILTER (WHERE (f.state).effect & 1 <> 0 AND (f.state).is_member), 0),
        coalesce(sum(f.sign) FILTER (WHERE (f.state).effect & 1 <> 0 AND NOT (f.state).is_member), 0),
        max(f.recorded_at) FILTER (WHERE f.sign = 1)
    FROM folded AS f
    GROUP BY f.segment_key, (f.status_change_timestamp AT TIME ZONE 'UTC')::date
    ORDER BY 2, 3
    ON CONFLICT (slot, segment_key, day, lane_id) DO UPDATE SET
        joined = d.joined + excluded.joined,
        departed = d.departed + excluded.departed,
        restated_at = greatest(d.restated_at, excluded.restated_at)
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
    (SELECT count(*) FROM touched AS t WHERE t.late) AS late,
    (SELECT count(*) FROM touched) AS keys,
    (SELECT count(*) FROM stated) AS stated,
    -- Long keys that are late, with the least offset of their events and its lane, and the first and the last of these in
    -- their order.
    ARRAY(SELECT r FROM left_over AS r ORDER BY r.kafka_offset) AS long,
    -- Keys that grew long.
    ARRAY(SELECT (s.segment_key, s.person_id) FROM stated AS s WHERE s.tail >= 2 * $6::integer) AS grown
