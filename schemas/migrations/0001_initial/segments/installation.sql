-- Which installation this database is of: what has it in its group's and transactional ids' names takes nothing from others.
CREATE TABLE segments.installation (
    only_row boolean NOT NULL DEFAULT true CONSTRAINT installation_pkey PRIMARY KEY
    CONSTRAINT installation_only_row CHECK (only_row),
    installation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO segments.installation (only_row) VALUES (true);
GRANT SELECT ON segments.installation TO segments_ingest, segments_project, segments_operate;

-- The id alone would go with a dump, or a template: so its name is made of the server's and the database's as well. A
-- replica that was promoted, and a restored base backup, have the same ones.
CREATE FUNCTION segments.installation_name() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT left(encode(sha256(convert_to(concat_ws('/', i.installation_id, s.system_identifier, d.oid), 'UTF8')), 'hex'), 16)
    FROM segments.installation AS i
    CROSS JOIN pg_control_system() AS s
    INNER JOIN pg_database AS d ON d.datname = current_database()
$$;
GRANT EXECUTE ON FUNCTION segments.installation_name TO segments_ingest, segments_project, segments_operate;
