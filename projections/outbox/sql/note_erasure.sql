-- Set the erasure up to which tombstones are published, in the incarnation where it was read: in a restored database the
-- number may belong to another erasure. Parameters: erasure, incarnation.
UPDATE projections.tombstone_outbox SET erasure_id = $1 WHERE erasure_id < $1 AND segments.incarnation() = $2
