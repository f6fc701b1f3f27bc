-- Compares the kept states of long keys with the fold: the state, and the first add or block to arrive since the one before.
-- Each kept state has its event, and the number of events after the last one equals the tail in the key's row.
WITH serving AS MATERIALIZED (
    SELECT k.*, k.lane_id IS NOT NULL AS is_kept FROM projections.serving_kept_state AS k
), marked AS MATERIALIZED (
    SELECT h.segment_key, h.person_id, h.lane_id, h.kafka_offset, h.user_status, h.place,
        projections.as_recorded(h.state) AS state, k.state AS kept, coalesce(k.is_kept, false) AS is_kept,
        k.arrived_at, k.arrived_lane_id, k.arrived_offset,
        count(k.is_kept) OVER (
            PARTITION BY h.segment_key, h.person_id ORDER BY h.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS piece
    FROM projections.history AS h
    LEFT JOIN serving AS k ON h.lane_id = k.lane_id AND h.kafka_offset = k.kafka_offset
        AND h.segment_key = k.segment_key AND h.person_id = k.person_id
    WHERE (h.segment_key, h.person_id) IN (SELECT s.segment_key, s.person_id FROM serving AS s)
), arrived AS (
    SELECT DISTINCT ON (m.segment_key, m.person_id, m.piece)
        m.segment_key, m.person_id, m.piece, m.lane_id, m.kafka_offset, e.received_at
    FROM marked AS m
    INNER JOIN segments.event AS e ON m.lane_id = e.lane_id AND m.kafka_offset = e.kafka_offset
    INNER JOIN segments.lane AS l ON m.lane_id = l.lane_id
    WHERE m.user_status <= 2
    ORDER BY m.segment_key, m.person_id, m.piece, e.received_at, l.topic, l.partition, m.kafka_offset, l.epoch
)
SELECT 'projections.kept_state' AS view,
    concat_ws('/', s.network_id, s.segment_id, p.user_id) || ' ' || v.what AS key, v.expected, v.found
FROM (
    SELECT m.segment_key, m.person_id, 'after ' || m.lane_id || ':' || m.kafka_offset AS what,
        concat_ws(' ', m.state, a.received_at, a.lane_id, a.kafka_offset) AS expected,
        concat_ws(' ', m.kept, m.arrived_at, m.arrived_lane_id, m.arrived_offset) AS found
    FROM marked AS m LEFT JOIN arrived AS a USING (segment_key, person_id, piece)
    WHERE m.is_kept
    UNION ALL
    SELECT k.segment_key, k.person_id, 'after ' || k.lane_id || ':' || k.kafka_offset, 'an event of the key', 'none'
    FROM serving AS k
    WHERE NOT EXISTS (
        SELECT FROM marked AS m
        WHERE m.lane_id = k.lane_id AND m.kafka_offset = k.kafka_offset AND m.segment_key = k.segment_key
            AND m.person_id = k.person_id
    )
    UNION ALL
    SELECT t.segment_key, t.person_id, 'events after the last', t.expected::text, n.tail::text
    FROM (
        SELECT m.segment_key, m.person_id,
            count(*) FILTER (WHERE NOT m.is_kept AND m.piece = m.pieces) AS expected
        FROM (
            SELECT o.*, count(*) FILTER (WHERE o.is_kept) OVER (PARTITION BY o.segment_key, o.person_id) AS pieces
            FROM marked AS o
        ) AS m
        GROUP BY m.segment_key, m.person_id
    ) AS t
    INNER JOIN projections.serving_membership AS n ON t.segment_key = n.segment_key AND t.person_id = n.person_id
) AS v
LEFT JOIN segments.segment AS s ON v.segment_key = s.segment_key
LEFT JOIN segments.person AS p ON v.person_id = p.person_id
WHERE v.expected IS DISTINCT FROM v.found
ORDER BY 2 LIMIT 100
