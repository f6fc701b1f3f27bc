-- Whether a topic is not for other networks alone. Parameters: network_id, topic.
SELECT NOT EXISTS (SELECT FROM segments.source AS t WHERE t.topic = $2 AND NOT ARRAY[$1::text] <@ t.networks)
