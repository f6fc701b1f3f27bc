-- Ask for the end of a task; one that nobody has begun ends at once. Parameters: $1 task_id, $2 actor.
UPDATE segments.task SET
    cancelled_at = coalesce(cancelled_at, clock_timestamp()),
    cancelled_by = coalesce(cancelled_by, $2),
    ended_at = CASE WHEN started_at IS NULL THEN clock_timestamp() END,
    outcome = CASE WHEN started_at IS NULL THEN 'cancelled' END
WHERE task_id = $1 AND ended_at IS NULL
RETURNING *
