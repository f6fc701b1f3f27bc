-- The open lanes of some topics that are stopped. Parameters: topic[].
SELECT concat_ws('-', topic, partition) AS lane FROM segments.lane
WHERE topic = ANY ($1::text[]) AND NOT closed AND stopped_because IS NOT NULL
