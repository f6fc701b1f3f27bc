-- Begin a new epoch of a lane. The old one was closed by a statement before, because the unique index allows one open
-- lane per partition. The offsets before the start are one hole or two: those that the topic no longer has, and those
-- that the operator skips. Parameters: $1 lane_id, $2 first offset, $3 offset to continue from, $4 reason, $5 actor,
-- $6 recorded_at of the holes, $7 the topic's first offset, $8 Kafka's id of the topic.
WITH closed AS (
    SELECT topic, partition, epoch, received_at, recorded_at FROM segments.lane WHERE lane_id = $1
), adopted AS (
    INSERT INTO segments.lane (
        topic, partition, epoch, topic_id, first_offset, next_offset, holes, received_at, recorded_at
    )
    SELECT topic, partition, epoch + 1, $8::uuid, $2::bigint, $3::bigint, $3::bigint - $2::bigint,
        received_at, recorded_at
    FROM closed
    RETURNING lane_id, epoch
), hole AS (
    INSERT INTO segments.hole (lane_id, first_offset, next_offset, cause, recorded_at)
    SELECT a.lane_id, h.first_offset, h.next_offset, h.cause, $6
    FROM adopted AS a CROSS JOIN (
        VALUES
        ($2::bigint, $7::bigint, 'no longer in the topic when the lane was adopted: retention, or deleted'),
        ($7::bigint, $3::bigint, 'skipped by an operator at the adoption: ' || $4)
    ) AS h (first_offset, next_offset, cause)
    WHERE h.next_offset > h.first_offset
)
INSERT INTO segments.lane_event (lane_id, action, reason, detail, actor)
SELECT lane_id, 'adopted', $4, 'from offset ' || $3::bigint, $5 FROM adopted RETURNING lane_id
