-- Move the version, so that appends look again.
UPDATE segments.source_version SET version = version + 1
