-- Release a lease. Parameters: name, holder.
UPDATE projections.lease SET until = '-infinity' WHERE name = $1 AND holder = $2
