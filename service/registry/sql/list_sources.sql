-- The current rows of an installation's command topics. Parameters: topic prefix.
SELECT topic, topic_prefix, change, networks, statuses, changed_at, actor
FROM segments.source WHERE topic_prefix = $1 ORDER BY topic
