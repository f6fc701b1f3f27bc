-- Note what became of some lines, and up to which line all are sent; the file is emptied at the end. Two who send the same
-- lines note the same positions, or those of duplicates.
-- Parameters: import_id, lines, faults, topics, partitions, offsets, the last line, whether it is the end.
WITH noted AS (
    INSERT INTO segments.import_line (import_id, line, fault, topic, partition, epoch, kafka_offset)
    SELECT $1::text, n.line, n.fault, n.topic, n.partition,
        CASE WHEN n.topic IS NOT NULL THEN coalesce((
            SELECT l.epoch FROM segments.lane AS l WHERE l.topic = n.topic AND l.partition = n.partition AND NOT l.closed
        ), 0) END,
        n.kafka_offset
    FROM unnest($2::bigint[], $3::text[], $4::text[], $5::integer[], $6::bigint[])
        AS n (line, fault, topic, partition, kafka_offset)
    ON CONFLICT (import_id, line) DO UPDATE SET fault = excluded.fault, topic = excluded.topic,
        partition = excluded.partition, epoch = excluded.epoch, kafka_offset = excluded.kafka_offset
)
UPDATE segments.import SET
    sent_until = greatest(sent_until, $7::bigint),
    finished_at = CASE WHEN $8::boolean THEN coalesce(finished_at, clock_timestamp()) ELSE finished_at END,
    content = CASE WHEN $8 THEN '' ELSE content END
WHERE import_id = $1
