-- The first receipts of retried records, in Unix seconds, by index from 1; none if the bytes differ. LATERAL and OFFSET 0 force
-- one index look-up per record, whatever the planner's statistics.
-- Parameters: topic[], partition[], epoch[], offset[], SHA-256[] of the payload.
SELECT w.number, extract(epoch FROM r.received_at)
FROM unnest($1::text[], $2::integer[], $3::integer[], $4::bigint[], $5::bytea[])
    WITH ORDINALITY AS w (topic, partition, epoch, kafka_offset, digest, number)
CROSS JOIN LATERAL (
    SELECT o.received_at, o.payload FROM segments.lane AS l INNER JOIN segments.rejected AS o ON l.lane_id = o.lane_id
    WHERE l.topic = w.topic AND l.partition = w.partition AND l.epoch = w.epoch AND o.kafka_offset = w.kafka_offset
    OFFSET 0
) AS r
WHERE sha256(r.payload) = w.digest
