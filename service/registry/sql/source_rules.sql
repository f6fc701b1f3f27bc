-- The rules of each topic.
SELECT topic, change, networks, statuses FROM segments.source
