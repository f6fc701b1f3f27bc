-- Take or renew the lease. Returns a row if it is held. Parameters: holder, seconds.
UPDATE segments.seal_lease SET holder = $1, until = clock_timestamp() + make_interval(secs => $2)
WHERE holder = $1 OR until < clock_timestamp()
RETURNING stopped_because
