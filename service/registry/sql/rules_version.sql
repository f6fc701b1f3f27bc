-- The version of the topic rules, incremented with each change.
SELECT version FROM segments.source_version
