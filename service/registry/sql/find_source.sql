-- One command topic as it stands. Parameters: topic.
SELECT topic, topic_prefix, change, networks, statuses, changed_at, actor
FROM segments.source WHERE topic = $1
