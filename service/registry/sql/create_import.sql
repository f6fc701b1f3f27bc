-- Keep an uploaded file; those older than a day are deleted.
-- Parameters: import_id, network_id, key_name, file_name, content, options as JSON.
WITH outlived AS (
    DELETE FROM segments.import WHERE created_at < clock_timestamp() - interval '1 day'
)
INSERT INTO segments.import (import_id, network_id, key_name, file_name, content, options)
VALUES ($1, $2, $3, $4, $5, $6::jsonb)
