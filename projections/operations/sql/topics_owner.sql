-- Whose the topics were when a process last looked. Parameters: topic prefix.
SELECT o.installation, o.installation = segments.installation_name() AS is_ours, o.since, o.actor, o.seen_at
FROM segments.topics_owner AS o WHERE o.topic_prefix = $1
