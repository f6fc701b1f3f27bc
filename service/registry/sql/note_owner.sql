-- Store the owner of the topics, as read from Kafka. Parameters: topic prefix, installation, since, actor.
INSERT INTO segments.topics_owner AS o (topic_prefix, installation, since, actor, seen_at)
VALUES ($1, $2, $3, $4, clock_timestamp())
ON CONFLICT (topic_prefix) DO UPDATE SET
    installation = excluded.installation, since = excluded.since, actor = excluded.actor, seen_at = excluded.seen_at
