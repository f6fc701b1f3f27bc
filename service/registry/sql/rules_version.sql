-- The number that moves with each change of what a topic may say.
SELECT version FROM segments.source_version
