-- Whether a relation exists, by the catalog, because a name in a schema without USAGE would raise an error.
-- Parameters: schema, name.
SELECT c.oid FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = $1 AND c.relname = $2
