-- Whether this log is read from a topic. Parameters: topic.
SELECT EXISTS (SELECT FROM segments.lane AS l WHERE l.topic = $1)
