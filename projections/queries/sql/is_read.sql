-- Whether a topic is, or was, read. Parameters: topic.
SELECT EXISTS (SELECT FROM segments.source WHERE topic = $1)
