-- Note how a task ended. Parameters: $1 task_id, $2 outcome, $3 result or null.
UPDATE segments.task SET ended_at = clock_timestamp(), outcome = $2, result = $3::jsonb
WHERE task_id = $1 AND ended_at IS NULL
