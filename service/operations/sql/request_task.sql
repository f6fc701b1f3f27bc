-- Ask for a task, unless another has not ended. Parameters: $1 kind, $2 actor.
INSERT INTO segments.task (kind, requested_by) VALUES ($1, $2)
ON CONFLICT ((ended_at IS NULL)) WHERE ended_at IS NULL DO NOTHING
RETURNING *
