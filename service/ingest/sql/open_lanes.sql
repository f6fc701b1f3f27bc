-- The open lanes of some topics. Parameters: topic[].
SELECT l.lane_id, l.topic, l.partition, l.epoch, l.next_offset, l.stopped_because,
    segments.incarnation() AS incarnation
FROM segments.lane AS l
WHERE NOT l.closed AND l.topic = ANY ($1::text[])
