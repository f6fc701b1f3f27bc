-- Lanes that are not read and folded to their ends, or are stopped. Parameters: $1 the topics of this installation; of
-- the partitions in Kafka $2 topic[], $3 partition[], $4 end offset[], $5 whether the topic has another id[].
SELECT w.topic, w.partition, w.end_offset, l.epoch, l.stopped_because,
    greatest(
        w.end_offset - coalesce(least(l.next_offset, min(coalesce(c.next_offset, l.first_offset))), 0), 0
    ) AS behind
FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::boolean[]) AS w (topic, partition, end_offset, is_another)
LEFT JOIN segments.lane AS l ON l.topic = w.topic AND l.partition = w.partition AND NOT l.closed
LEFT JOIN projections.generation AS g ON true
LEFT JOIN projections.checkpoint AS c ON c.lane_id = l.lane_id AND c.projection = g.projection AND c.slot = g.slot
GROUP BY w.topic, w.partition, w.end_offset, w.is_another, l.lane_id
HAVING coalesce(least(l.next_offset, min(coalesce(c.next_offset, l.first_offset))), 0) < w.end_offset
    OR l.stopped_because IS NOT NULL
    OR (w.is_another AND l.next_offset > w.end_offset) -- than the log's: the log has none of its records
UNION ALL
-- Lanes of partitions that no longer exist in Kafka.
SELECT l.topic, l.partition, l.next_offset, l.epoch,
    coalesce(l.stopped_because, 'the topic has no such partition; is ingest running?'), 0
FROM segments.lane AS l
WHERE l.topic = ANY ($1::text[]) AND NOT l.closed AND (l.stopped_because IS NOT NULL OR l.topic = ANY ($2::text[]))
    AND (l.topic, l.partition) NOT IN (
        SELECT w.topic, w.partition FROM unnest($2::text[], $3::integer[]) AS w (topic, partition)
    )
UNION ALL
-- Lanes of earlier epochs that are not folded to their ends.
SELECT l.topic, l.partition, l.next_offset, l.epoch, NULL, l.next_offset - coalesce(c.next_offset, l.first_offset)
FROM segments.lane AS l
CROSS JOIN projections.generation AS g
LEFT JOIN projections.checkpoint AS c ON c.lane_id = l.lane_id AND c.projection = g.projection AND c.slot = g.slot
WHERE l.topic = ANY ($1::text[]) AND l.closed AND coalesce(c.next_offset, l.first_offset) < l.next_offset
ORDER BY 1, 2, 4
