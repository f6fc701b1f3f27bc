-- Note up to which erasure tombstones were published. Of the database where it was found: one that came back older gives the
-- number to another erasure. Parameters: erasure, incarnation.
UPDATE projections.tombstone_outbox SET erasure_id = $1 WHERE erasure_id < $1 AND segments.incarnation() = $2
