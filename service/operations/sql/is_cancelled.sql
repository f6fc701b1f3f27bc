-- Whether a task is to end. Parameters: $1 task_id.
SELECT cancelled_at IS NOT NULL OR ended_at IS NOT NULL AS is_cancelled FROM segments.task WHERE task_id = $1
