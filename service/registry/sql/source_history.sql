-- Every change of an installation's command topics, oldest first. Parameters: topic prefix.
SELECT topic, topic_prefix, change, networks, statuses, changed_at, actor
FROM segments.source_event WHERE topic_prefix = $1 ORDER BY version
