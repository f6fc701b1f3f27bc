-- Make another slot the serving one. Parameters: projection, slot, digest of the SQL that made it.
UPDATE projections.generation SET slot = $2, digest = $3, rebuilt_at = clock_timestamp() WHERE projection = $1
