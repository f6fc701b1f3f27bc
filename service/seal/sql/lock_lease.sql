-- Whether the lease is still held; nobody else takes it before the transaction ends. Parameters: holder.
SELECT holder = $1 FROM segments.seal_lease FOR UPDATE
