-- Whether a relation is there: by the catalogue, for a name in a schema that the login may not use would be an error.
-- Parameters: schema, name.
SELECT c.oid FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE n.nspname = $1 AND c.relname = $2
