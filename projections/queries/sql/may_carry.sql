-- Whether a topic may carry commands of a network. Parameters: network_id, topic.
SELECT NOT EXISTS (SELECT FROM segments.source AS t WHERE t.topic = $2 AND NOT ARRAY[$1::text] <@ t.networks)
