-- As lease_is_held.sql; until the transaction ends nobody takes the lease, or renews it.
-- Parameters: name, holder, incarnation.
SELECT FROM projections.lease WHERE name = $1 AND holder = $2 AND segments.incarnation() = $3
FOR UPDATE
