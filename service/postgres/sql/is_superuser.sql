-- Whether a login is a superuser. Parameters: login.
SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = $1
