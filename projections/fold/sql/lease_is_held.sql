-- Whether a lease is held; one that an older copy of the database holds as well is none.
-- Parameters: name, holder, incarnation.
SELECT FROM projections.lease WHERE name = $1 AND holder = $2 AND segments.incarnation() = $3
