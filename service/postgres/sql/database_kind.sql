-- What kind of database this is.
SELECT current_setting('server_encoding') AS encoding, current_setting('server_version') AS version,
    current_setting('server_version_num')::integer / 10000 AS major, pg_catalog.pg_is_in_recovery() AS replica,
    current_setting('default_transaction_read_only')::boolean AS read_only, current_database() AS name
