-- Whether a login may do everything. Parameters: login.
SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = $1
