-- Lanes that were read again within the last day, because Postgres came back in an older state. Parameters: topic[].
SELECT l.topic, l.partition, x.detail, x.happened_at FROM segments.lane_event AS x
INNER JOIN segments.lane AS l ON x.lane_id = l.lane_id
WHERE x.action = 'reread' AND l.topic = ANY ($1::text[]) AND x.happened_at > clock_timestamp() - interval '1 day'
ORDER BY x.lane_event_id
