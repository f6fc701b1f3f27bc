-- Say which SQL made the slot that serves, where nobody has. Parameters: projection, digest.
UPDATE projections.generation SET digest = $2 WHERE projection = $1 AND digest IS NULL
