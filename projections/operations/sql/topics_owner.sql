-- The owner of the topics at the last check by a process. Parameters: topic prefix.
SELECT o.installation, o.installation = segments.installation_name() AS is_ours, o.since, o.actor, o.seen_at
FROM segments.topics_owner AS o WHERE o.topic_prefix = $1
