-- Take a lease that no process holds. Parameters: name, holder, seconds.
UPDATE projections.lease SET holder = $2, until = clock_timestamp() + make_interval(secs => $3)
WHERE name = $1 AND until < clock_timestamp() RETURNING segments.incarnation()
