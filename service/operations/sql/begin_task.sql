-- Begin a task, unless it was begun or cancelled before. Parameters: $1 task_id.
UPDATE segments.task SET started_at = clock_timestamp()
WHERE task_id = $1 AND started_at IS NULL AND ended_at IS NULL
RETURNING task_id
