-- The serving slot, and the digest of the SQL that made it. Locked for share: a swap waits for batches in progress, and no
-- batch begins on the slot that it replaces. Parameters: projection.
SELECT slot, digest FROM projections.generation WHERE projection = $1 FOR KEY SHARE
