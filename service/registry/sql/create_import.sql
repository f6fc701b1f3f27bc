-- Keep an uploaded file; those older than a day are deleted, and all but 20 of the network: what is being sent stays before
-- what is not, and the newest before older ones.
-- Parameters: import_id, network_id, key_name, file_name, content, options as JSON.
WITH outlived AS (
    DELETE FROM segments.import WHERE created_at < clock_timestamp() - interval '1 day'
), beyond AS (
    DELETE FROM segments.import WHERE import_id IN (
        SELECT i.import_id FROM segments.import AS i WHERE i.network_id = $2
        ORDER BY (i.is_started AND i.finished_at IS NULL) DESC, i.created_at DESC
        OFFSET 19
    )
)
INSERT INTO segments.import (import_id, network_id, key_name, file_name, content, options)
VALUES ($1, $2, $3, $4, $5, $6::jsonb)
