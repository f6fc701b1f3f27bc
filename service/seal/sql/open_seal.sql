-- Open a seal. Parameters: origin, reason, actor.
INSERT INTO segments.seal (origin, reason, actor) VALUES ($1, $2, $3)
