-- Increment the version of the topic rules, so that appends read them again.
UPDATE segments.source_version SET version = version + 1
