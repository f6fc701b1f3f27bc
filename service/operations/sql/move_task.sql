-- Note how far a task is. Parameters: $1 task_id, $2 step, $3 steps that are done, $4 how many there are.
UPDATE segments.task SET step = $2, steps_done = $3, steps = $4 WHERE task_id = $1 AND ended_at IS NULL
