-- Fold a stretch of a long key anew: its events after one kept state up to another, or from the first or to the last event.
-- Twice: as it was (sign -1) and with the batch (sign 1), as in apply.sql; or only with the batch, to keep more states.
-- Intervals of the key's history that ended in the stretch, and what is said of its events besides, are written anew where
-- they changed, as in apply.sql.
-- The stretch is cut anew into pieces of so many events, or up to twice as many, with a kept state at the end of each; after
-- the last kept state of the key as many are left.
-- Parameters: $1 slot, $2 segment_key, $3 person_id; the batch, $4 lane_id[], $5 first offset[], $6 next offset[];
-- $7 projection, $8 signs; $9 lane_id and $10 offset of the kept state to begin at, or null; $11 and $12 of the one to end
-- at, or null; the state to begin with, $13 as it was, $14 with the batch; $15 events of a piece.
WITH begins AS MATERIALIZED (
    SELECT k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch
    FROM projections.kept_state AS k INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
    WHERE k.slot = $1 AND k.segment_key = $2 AND k.person_id = $3 AND k.lane_id = $9 AND k.kafka_offset = $10
), ends AS MATERIALIZED (
    SELECT k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch, k.state
    FROM projections.kept_state AS k INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
    WHERE k.slot = $1 AND k.segment_key = $2 AND k.person_id = $3 AND k.lane_id = $11 AND k.kafka_offset = $12
), stretch AS MATERIALIZED (
    SELECT e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at, e.lane_id, e.kafka_offset, e.expires_at,
        e.expired_lane_id, e.expired_offset, l.topic, l.partition, l.epoch, e.kafka_offset >= c.next_offset AS is_new
    FROM (
        SELECT f.* FROM segments.event AS f
        WHERE f.person_id = $3 AND f.segment_key = $2
            AND f.status_change_timestamp >= coalesce((SELECT b.status_change_timestamp FROM begins AS b), '-infinity')
            AND f.status_change_timestamp <= coalesce((SELECT n.status_change_timestamp FROM ends AS n), 'infinity')
        OFFSET 0
    ) AS e
    INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
    INNER JOIN projections.checkpoint AS c ON c.projection = $7 AND c.slot = $1 AND e.lane_id = c.lane_id
    LEFT JOIN unnest($4::integer[], $5::bigint[], $6::bigint[]) AS w (lane_id, first, until) ON e.lane_id = w.lane_id
    LEFT JOIN begins AS b ON true
    LEFT JOIN ends AS n ON true
    WHERE e.kafka_offset < coalesce(w.until, c.next_offset)
        AND (b.topic IS NULL
            OR (e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch)
            > (b.status_change_timestamp, b.received_at, b.topic, b.partition, b.kafka_offset, b.epoch))
        AND (n.topic IS NULL
            OR (e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch)
            <= (n.status_change_timestamp, n.received_at, n.topic, n.partition, n.kafka_offset, n.epoch))
), folded AS MATERIALIZED (
    SELECT i.*,
        segments.fold(
            i.start,
            i.user_status, i.status_change_timestamp, i.received_at, i.recorded_at,
            i.lane_id, i.kafka_offset, i.expires_at, i.expired_lane_id, i.expired_offset
        ) OVER in_order AS state,
        row_number() OVER in_order AS nth,
        lead(1) OVER in_order IS NULL AS is_last
    FROM (
        SELECT s.sign,
            CASE s.sign WHEN 1 THEN $14::text::segments.key_state ELSE $13::text::segments.key_state END AS start, e.*
        FROM stretch AS e
        INNER JOIN unnest($8::smallint[]) AS s (sign) ON NOT e.is_new OR s.sign = 1
    ) AS i
    WINDOW in_order AS (
        PARTITION BY i.sign
        ORDER BY i.status_change_timestamp, i.received_at, i.topic, i.partition, i.kafka_offset, i.epoch
        ROWS UNBOUNDED PRECEDING
    )
), measure AS MATERIALIZED (
    SELECT count(*) AS events, $11::integer IS NULL AS is_tail,
        CASE WHEN $11::integer IS NULL THEN greatest(count(*) / $15::integer - 1, 0)
            ELSE greatest(count(*) / $15::integer, 1) END AS pieces
    FROM stretch
), cut AS MATERIALIZED (
    -- piece: the number of the piece that an event is in; those of the tail are in a last one, at whose end nothing is kept.
    SELECT f.*, p.piece, p.piece <= m.pieces AND (f.is_last OR p.piece < p.next_piece) AS ends_piece
    FROM folded AS f
    CROSS JOIN measure AS m
    CROSS JOIN LATERAL (
        SELECT
            CASE WHEN m.is_tail THEN least((f.nth - 1) / $15::integer, m.pieces) + 1
                ELSE ((f.nth - 1) * m.pieces) / m.events + 1 END AS piece,
            CASE WHEN m.is_tail THEN least(f.nth / $15::integer, m.pieces) + 1
                ELSE (f.nth * m.pieces) / m.events + 1 END AS next_piece
    ) AS p
    WHERE f.sign = 1
), kept AS (
    INSERT INTO projections.kept_state AS k (
        slot, segment_key, person_id, status_change_timestamp, received_at, lane_id, kafka_offset, state,
        arrived_at, arrived_lane_id, arrived_offset
    )
    SELECT $1, $2, $3, c.status_change_timestamp, c.received_at, c.lane_id, c.kafka_offset,
        projections.as_recorded(c.state), a.received_at, a.lane_id, a.kafka_offset
    FROM cut AS c
    LEFT JOIN (
        SELECT DISTINCT ON (o.piece) o.piece, o.received_at, o.lane_id, o.kafka_offset
        FROM cut AS o WHERE o.user_status <= 2
        ORDER BY o.piece, o.received_at, o.topic, o.partition, o.kafka_offset, o.epoch
    ) AS a ON c.piece = a.piece
    WHERE c.ends_piece
    ON CONFLICT ON CONSTRAINT kept_state_pkey DO UPDATE SET
        state = excluded.state, arrived_at = excluded.arrived_at,
        arrived_lane_id = excluded.arrived_lane_id, arrived_offset = excluded.arrived_offset
    RETURNING 1
), dropped AS (
    DELETE FROM projections.kept_state AS k USING cut AS c
    WHERE k.slot = $1 AND k.segment_key = $2 AND k.person_id = $3
        AND k.status_change_timestamp = c.status_change_timestamp AND k.lane_id = c.lane_id
        AND k.kafka_offset = c.kafka_offset AND NOT c.ends_piece
), past AS MATERIALIZED (
    SELECT sum(b.sign) AS sign, (b.before).valid_from, b.status_change_timestamp AS valid_to,
        (b.before).from_lane_id, (b.before).from_offset, (b.before).from_status, (b.before).from_effect,
        (b.before).is_member, (b.before).override
    FROM (
        SELECT f.sign, f.status_change_timestamp, lag(f.state, 1, f.start) OVER (PARTITION BY f.sign ORDER BY f.nth) AS before
        FROM folded AS f
        WHERE cardinality($8::smallint[]) > 1
            AND ((f.state).effect & 3 <> 0 OR (f.nth = 1 AND (f.start).is_member IS NULL))
    ) AS b
    WHERE (b.before).is_member IS NOT NULL
    GROUP BY (b.before).valid_from, b.status_change_timestamp, (b.before).from_lane_id, (b.before).from_offset,
        (b.before).from_status, (b.before).from_effect, (b.before).is_member, (b.before).override
    HAVING sum(b.sign) <> 0
), begun AS (
    INSERT INTO projections.past_interval (
        slot, segment_key, person_id, valid_from, valid_to, lane_id, kafka_offset, user_status, effect, is_member, override
    )
    SELECT $1, $2, $3, p.valid_from, p.valid_to, p.from_lane_id, p.from_offset, p.from_status, p.from_effect, p.is_member,
        p.override
    FROM past AS p WHERE p.sign > 0
), taken AS (
    DELETE FROM projections.past_interval AS i
    USING (
        SELECT o.row_id FROM past AS p
        CROSS JOIN LATERAL (
            SELECT n.ctid AS row_id FROM projections.past_interval AS n
            WHERE n.slot = $1 AND n.person_id = $3 AND n.segment_key = $2
                AND n.valid_from = p.valid_from AND n.valid_to = p.valid_to
                AND n.lane_id IS NOT DISTINCT FROM p.from_lane_id AND n.kafka_offset IS NOT DISTINCT FROM p.from_offset
                AND n.is_member = p.is_member AND n.override = p.override
            LIMIT 1 -- the stretch before may have written the same one
        ) AS o
        WHERE p.sign < 0
    ) AS t
    WHERE i.slot = $1 AND i.ctid = t.row_id
    RETURNING 1
), last AS MATERIALIZED (
    SELECT k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch
    FROM projections.kept_state AS k INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
    WHERE k.slot = $1 AND k.segment_key = $2 AND k.person_id = $3
    ORDER BY k.status_change_timestamp DESC, k.received_at DESC, l.topic DESC, l.partition DESC, k.kafka_offset DESC,
        l.epoch DESC
    LIMIT 1
), beyond AS MATERIALIZED (
    -- Of the adds and blocks after the stretch the one that arrived first; nothing of the batch is after the stretch.
    SELECT a.* FROM (
        SELECT k.arrived_at AS received_at, m.topic, m.partition, k.arrived_offset AS kafka_offset, m.epoch
        FROM ends AS n
        INNER JOIN projections.kept_state AS k
            ON k.slot = $1 AND k.segment_key = $2 AND k.person_id = $3 AND k.status_change_timestamp >= n.status_change_timestamp
        INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
        INNER JOIN segments.lane AS m ON k.arrived_lane_id = m.lane_id
        WHERE (k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch)
            > (n.status_change_timestamp, n.received_at, n.topic, n.partition, n.kafka_offset, n.epoch)
        UNION ALL
        SELECT e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch
        FROM last AS n
        CROSS JOIN LATERAL (
            SELECT f.* FROM segments.event AS f
            WHERE f.person_id = $3 AND f.segment_key = $2 AND f.status_change_timestamp >= n.status_change_timestamp
                AND f.user_status <= 2 AND EXISTS (SELECT FROM ends)
            OFFSET 0
        ) AS e
        INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
        INNER JOIN projections.checkpoint AS c
            ON c.projection = $7 AND c.slot = $1 AND e.lane_id = c.lane_id AND e.kafka_offset < c.next_offset
        WHERE (e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch)
            > (n.status_change_timestamp, n.received_at, n.topic, n.partition, n.kafka_offset, n.epoch)
    ) AS a
    ORDER BY a.received_at, a.topic, a.partition, a.kafka_offset, a.epoch
    LIMIT 1
), marked AS MATERIALIZED (
    SELECT m.lane_id, m.kafka_offset, coalesce(sum(m.marks) FILTER (WHERE m.sign = 1), 0) AS marks
    FROM (
        -- As in projections.history.
        SELECT a.sign, a.lane_id, a.kafka_offset, a.marks + CASE
            WHEN segments.is_superseded(
                a.user_status, min(a.arrival) FILTER (WHERE a.user_status <= 2) OVER backwards, a.arrival
            ) THEN 16 ELSE 0 END AS marks
        FROM (
            SELECT g.*, row_number() OVER (
                PARTITION BY g.sign ORDER BY g.received_at, g.topic, g.partition, g.kafka_offset, g.epoch
            ) AS arrival
            FROM (
                SELECT f.sign, f.nth, f.lane_id, f.kafka_offset, f.user_status, (f.state).effect & 12 AS marks,
                    f.received_at, f.topic, f.partition, f.epoch
                FROM folded AS f WHERE cardinality($8::smallint[]) > 1
                UNION ALL
                SELECT s.sign, f.events + 1, NULL, b.kafka_offset, 1::smallint, 0, b.received_at, b.topic, b.partition, b.epoch
                FROM beyond AS b CROSS JOIN unnest($8::smallint[]) AS s (sign) CROSS JOIN measure AS f
            ) AS g
        ) AS a
        WINDOW backwards AS (PARTITION BY a.sign ORDER BY a.nth DESC ROWS UNBOUNDED PRECEDING)
    ) AS m
    WHERE m.lane_id IS NOT NULL
    GROUP BY m.lane_id, m.kafka_offset
    HAVING coalesce(sum(m.marks) FILTER (WHERE m.sign = -1), 0) <> coalesce(sum(m.marks) FILTER (WHERE m.sign = 1), 0)
), said AS (
    INSERT INTO projections.outcome AS o (slot, segment_key, lane_id, kafka_offset, marks)
    SELECT $1, $2, m.lane_id, m.kafka_offset, m.marks FROM marked AS m WHERE m.marks <> 0
    ORDER BY m.lane_id, m.kafka_offset
    ON CONFLICT ON CONSTRAINT outcome_pkey DO UPDATE SET marks = excluded.marks
), unsaid AS (
    DELETE FROM projections.outcome AS o
    USING (
        SELECT x.row_id FROM marked AS m
        CROSS JOIN LATERAL (
            SELECT n.ctid AS row_id FROM projections.outcome AS n
            WHERE n.slot = $1 AND n.lane_id = m.lane_id AND n.kafka_offset = m.kafka_offset
            OFFSET 0
        ) AS x
        WHERE m.marks = 0
    ) AS u
    WHERE o.slot = $1 AND o.ctid = u.row_id
), days AS (
    INSERT INTO projections.size_daily AS d (slot, segment_key, day, lane_id, joined, departed, restated_at)
    SELECT $1, $2, (f.status_change_timestamp AT TIME ZONE 'UTC')::date, ($4::integer[])[1],
        coalesce(sum(f.sign) FILTER (WHERE (f.state).effect & 1 <> 0 AND (f.state).is_member), 0),
        coalesce(sum(f.sign) FILTER (WHERE (f.state).effect & 1 <> 0 AND NOT (f.state).is_member), 0),
        max(f.recorded_at) FILTER (WHERE f.sign = 1)
    FROM folded AS f
    WHERE cardinality($8::smallint[]) > 1
    GROUP BY (f.status_change_timestamp AT TIME ZONE 'UTC')::date
    ORDER BY 3
    ON CONFLICT (slot, segment_key, day, lane_id) DO UPDATE SET
        joined = d.joined + excluded.joined,
        departed = d.departed + excluded.departed,
        restated_at = greatest(d.restated_at, excluded.restated_at)
)
SELECT count(*) AS events, max(c.recorded_at) AS recorded_at, max(c.received_at) AS received_at,
    count(*) FILTER (WHERE c.piece > coalesce((SELECT max(o.piece) FROM cut AS o WHERE o.ends_piece), 0)) AS tail,
    (SELECT n.state::text FROM ends AS n) AS was,
    max(c.state::text) FILTER (WHERE c.is_last) AS state,
    -- From here on the key goes on as it did.
    coalesce(
        (SELECT n.state FROM ends AS n) = projections.as_recorded((SELECT o.state FROM cut AS o WHERE o.is_last)), false
    ) AS converged,
    (SELECT count(*) FROM past AS p WHERE p.sign < 0) - (SELECT count(*) FROM taken) AS not_found
FROM cut AS c
