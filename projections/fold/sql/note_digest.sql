-- Set the digest of the SQL that made the serving slot, unless it is set. Parameters: projection, digest.
UPDATE projections.generation SET digest = $2 WHERE projection = $1 AND digest IS NULL
