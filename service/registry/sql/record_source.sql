-- Record a change of a command topic. Parameters: topic, topic prefix, change, networks, statuses, actor.
INSERT INTO segments.source_event (version, topic, topic_prefix, change, networks, statuses, actor)
SELECT v.version, $1, $2, $3, $4, $5, $6 FROM segments.source_version AS v
RETURNING topic, topic_prefix, change, networks, statuses, changed_at, actor
