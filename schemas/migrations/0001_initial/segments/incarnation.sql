-- Caches of the database are valid as long as this stays the same. It changes with each start of Postgres (also on an
-- older copy of its files), with a failover (the timeline), and with another database or other tables of that name.
CREATE FUNCTION segments.incarnation() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT concat_ws(
        '-',
        to_hex((extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint),
        CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'standby'
            ELSE left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8) END,
        (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()),
        'segments.lane'::regclass::oid
    )
$$;
GRANT EXECUTE ON FUNCTION segments.incarnation TO segments_ingest, segments_project, segments_operate, segments_api;
