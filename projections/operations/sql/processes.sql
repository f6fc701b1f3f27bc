-- Processes of the service that are connected to this database.
SELECT DISTINCT application_name FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'segments\_%' ORDER BY 1
