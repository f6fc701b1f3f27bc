-- Make the lane of a partition. An earlier epoch exists if the topic was closed and remade, and is a command topic again.
-- Parameters: $1 topic, $2 partition, $3 first offset, $4 Kafka's id of the topic.
WITH lane AS (
    INSERT INTO segments.lane (topic, partition, epoch, topic_id, first_offset, next_offset, received_at, recorded_at)
    SELECT $1, $2, coalesce(max(l.epoch) + 1, 0), $4::uuid, $3::bigint, $3::bigint,
        coalesce(max(l.received_at), '-infinity'), coalesce(max(l.recorded_at), '-infinity')
    FROM segments.lane AS l WHERE l.topic = $1 AND l.partition = $2
    ON CONFLICT DO NOTHING RETURNING lane_id
)
INSERT INTO segments.lane_event (lane_id, action, actor) SELECT lane_id, 'opened', 'ingest' FROM lane
