-- Fold a stretch of a long key anew: its events after one kept state up to another, or from the first or to the last event.
-- Twice: as it was (sign -1) and with the batch (sign 1), as in apply.sql; or only with the batch, to keep more states.
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
            CASE i.sign WHEN 1 THEN $14::text::segments.key_state ELSE $13::text::segments.key_state END,
            i.user_status, i.status_change_timestamp, i.received_at, i.recorded_at,
            i.lane_id, i.kafka_offset, i.expires_at, i.expired_lane_id, i.expired_offset
        ) OVER in_order AS state,
        row_number() OVER in_order AS nth,
        lead(1) OVER in_order IS NULL AS is_last
    FROM (
        SELECT s.sign, e.* FROM stretch AS e
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
        projections.as_recorded(c.state, NULL), a.received_at, a.lane_id, a.kafka_offset
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
SELECT count(*) AS events, max(c.recorded_at) AS recorded_at,
    count(*) FILTER (WHERE c.piece > coalesce((SELECT max(o.piece) FROM cut AS o WHERE o.ends_piece), 0)) AS tail,
    (SELECT n.state::text FROM ends AS n) AS was,
    max(c.state::text) FILTER (WHERE c.is_last) AS state,
    -- From here on the key goes on as it did.
    coalesce(
        (SELECT n.state FROM ends AS n) = projections.as_recorded((SELECT o.state FROM cut AS o WHERE o.is_last), NULL), false
    ) AS converged
FROM cut AS c
