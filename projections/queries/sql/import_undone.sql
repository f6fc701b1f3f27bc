-- What would put the users of an import back: per user and segment the state now, that before the first command of the import,
-- whether another add, block or reset came since, and what automation said last since, if anything. Only events below the
-- checkpoints are read. OFFSET 0 forces the fold of each key alone.
-- Parameters: $1 network_id, $2 import_id.
WITH sent AS MATERIALIZED (
    -- A line that was sent twice has the position of its duplicate. The events of an earlier upload of the file are not its own.
    SELECT DISTINCT e.segment_key, e.person_id, e.lane_id, e.kafka_offset
    FROM segments.import AS m
    INNER JOIN segments.import_line AS i ON m.import_id = i.import_id
    INNER JOIN segments.lane AS l ON i.topic = l.topic AND i.partition = l.partition AND i.epoch = l.epoch
    LEFT JOIN segments.duplicate AS d ON l.lane_id = d.lane_id AND i.kafka_offset = d.kafka_offset
    INNER JOIN segments.event AS e
        ON coalesce(d.of_lane_id, l.lane_id) = e.lane_id AND coalesce(d.of_offset, i.kafka_offset) = e.kafka_offset
    WHERE m.network_id = $1 AND m.import_id = $2 AND e.recorded_at >= m.created_at
), walked AS (
    SELECT
        h.segment_key, h.person_id, h.place, h.user_status, h.state,
        lag(h.state) OVER of_key AS before,
        s.lane_id IS NOT NULL AS is_sent,
        min(h.place) FILTER (WHERE s.lane_id IS NOT NULL) OVER (PARTITION BY h.segment_key, h.person_id) AS first_place
    FROM (SELECT DISTINCT t.segment_key, t.person_id FROM sent AS t) AS k
    CROSS JOIN LATERAL (
        SELECT * FROM projections.history AS f
        WHERE f.segment_key = k.segment_key AND f.person_id = k.person_id
        OFFSET 0
    ) AS h
    LEFT JOIN sent AS s ON h.lane_id = s.lane_id AND h.kafka_offset = s.kafka_offset
    WINDOW of_key AS (PARTITION BY h.segment_key, h.person_id ORDER BY h.place)
), compared AS (
    SELECT
        w.segment_key, w.person_id,
        (array_agg(w.state ORDER BY w.place DESC))[1] AS now,
        (array_agg(w.before ORDER BY w.place) FILTER (WHERE w.is_sent))[1] AS before,
        bool_or(NOT w.is_sent AND w.place > w.first_place AND segments.status_word(w.user_status) NOT IN ('enter', 'leave', 'expire'))
            AS is_changed_since,
        (array_agg(segments.status_word(w.user_status) = 'enter' ORDER BY w.place DESC) FILTER (
            WHERE w.place > w.first_place AND segments.status_word(w.user_status) IN ('enter', 'leave')
        ))[1] AS automation_since
    FROM walked AS w
    GROUP BY w.segment_key, w.person_id
    HAVING bool_or(w.is_sent)
)
SELECT
    p.user_id, g.segment_id::bigint AS segment_id, c.is_changed_since, c.automation_since,
    (c.now).is_member AS is_member, segments.status_word((c.now).override) AS override, (c.now).expires_at AS expires_at,
    coalesce((c.before).is_member, false) AS was_member, segments.status_word((c.before).override) AS was_override,
    (c.before).expires_at AS was_until
FROM compared AS c
INNER JOIN segments.segment AS g ON c.segment_key = g.segment_key
INNER JOIN segments.person AS p ON c.person_id = p.person_id
ORDER BY g.segment_id, p.user_id
