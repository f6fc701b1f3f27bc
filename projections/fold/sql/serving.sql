-- The slot that serves, and the digest of the SQL that made it. Shared: a swap waits for the batches under way, and none
-- begins on the slot that it takes away. Parameters: projection.
SELECT slot, digest FROM projections.generation WHERE projection = $1 FOR KEY SHARE
