-- The task that has not ended.
SELECT task_id, kind, started_at FROM segments.task WHERE ended_at IS NULL
