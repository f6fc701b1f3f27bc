-- What each topic may say.
SELECT topic, change, networks, statuses FROM segments.source
