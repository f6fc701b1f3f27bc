-- Whether the lease is still held; no other process can take it before the transaction ends. Parameters: holder.
SELECT holder = $1 FROM segments.seal_lease FOR UPDATE
