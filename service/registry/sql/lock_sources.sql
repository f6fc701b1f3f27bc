-- Lock the command topics against other changes.
SELECT FROM segments.source_version FOR UPDATE
