-- Renew a lease that is held. Parameters: name, holder, seconds.
UPDATE projections.lease SET until = clock_timestamp() + make_interval(secs => $3)
WHERE name = $1 AND holder = $2 RETURNING true
