-- The epoch of a partition's open lane; 0 before ingest has opened it. Parameters: topic, partition.
SELECT coalesce(max(l.epoch), 0) FROM segments.lane AS l WHERE l.topic = $1 AND l.partition = $2 AND NOT l.closed
