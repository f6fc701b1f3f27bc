-- Whether a process holds a lease. Another incarnation of the database, for example an older copy, does not count.
-- Parameters: name, holder, incarnation.
SELECT FROM projections.lease WHERE name = $1 AND holder = $2 AND segments.incarnation() = $3
