-- Each duplicate refers to an event, each checkpoint lies in its lane, and each record has its result.
SELECT v.view, v.key, v.expected, v.found FROM (
    SELECT 'duplicate' AS view, concat_ws('-', l.topic, l.partition, l.epoch, d.kafka_offset) AS key,
        'an event' AS expected, concat_ws(':', d.of_lane_id, d.of_offset) AS found
    FROM segments.duplicate AS d LEFT JOIN segments.lane AS l ON d.lane_id = l.lane_id
    WHERE NOT EXISTS (
        SELECT FROM segments.event AS e WHERE e.lane_id = d.of_lane_id AND e.kafka_offset = d.of_offset
    )
    UNION ALL
    SELECT 'freshness', concat_ws('-', l.topic, l.partition, l.epoch) || ' checkpoint of ' || c.projection,
        l.first_offset || ' to ' || l.next_offset, c.next_offset::text
    FROM projections.checkpoint AS c INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
    WHERE c.next_offset NOT BETWEEN l.first_offset AND l.next_offset
) AS v ORDER BY 1, 2 LIMIT 100
