-- The current row of one command topic. Parameters: topic.
SELECT topic, topic_prefix, change, networks, statuses, changed_at, actor
FROM segments.source WHERE topic = $1
