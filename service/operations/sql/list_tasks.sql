-- Tasks, newest first. Parameters: $1 requested_at and $2 task_id of the task to continue before, $3 limit.
SELECT * FROM segments.task
WHERE (requested_at, task_id) < ($1::timestamptz, $2::bigint)
ORDER BY requested_at DESC, task_id DESC
LIMIT $3
