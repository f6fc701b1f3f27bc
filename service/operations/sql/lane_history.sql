-- The events of lanes, such as stops and adoptions, with reasons, oldest first.
SELECT l.topic AS kafka_topic, l.partition AS kafka_partition, l.epoch AS kafka_epoch,
    e.action, e.reason, e.detail, e.actor, e.happened_at
FROM segments.lane_event AS e INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id ORDER BY e.lane_event_id
