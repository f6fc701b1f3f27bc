-- Open lanes whose end offset in Kafka was not read recently. Parameters: topic[], seconds.
SELECT l.topic, array_agg(l.partition ORDER BY l.partition) AS partitions,
    extract(epoch FROM clock_timestamp() - min(l.end_seen_at))::bigint AS seconds
FROM segments.lane AS l
WHERE l.topic = ANY ($1::text[]) AND NOT l.closed AND l.stopped_because IS NULL
    AND coalesce(l.end_seen_at, '-infinity') < clock_timestamp() - make_interval(secs => $2)
GROUP BY l.topic, l.end_seen_at IS NULL
ORDER BY l.topic, l.end_seen_at IS NULL
