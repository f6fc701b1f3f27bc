-- The content that an event's digest covers, and the salt. Parameters: lane, offset.
SELECT p.salt, p.network_id || ':' || p.user_id AS who, e.blanked, e.user_sent, e.description, e.metadata::text AS metadata,
    segments.event_covered(e, s.segment_id, l.topic, l.partition, l.epoch) AS covered
FROM segments.event AS e
INNER JOIN segments.person AS p ON e.person_id = p.person_id
INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
WHERE e.lane_id = $1 AND e.kafka_offset = $2
