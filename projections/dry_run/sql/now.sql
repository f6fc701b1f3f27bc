-- The database's clock, Unix milliseconds.
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
