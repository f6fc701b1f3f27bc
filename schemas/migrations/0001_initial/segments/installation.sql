-- The installation's id, a part of the names of consumer groups and transactional ids, which keeps installations apart.
CREATE TABLE segments.installation (
    only_row boolean NOT NULL DEFAULT true CONSTRAINT installation_pkey PRIMARY KEY
    CONSTRAINT installation_only_row CHECK (only_row),
    installation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO segments.installation (only_row) VALUES (true);
GRANT SELECT ON segments.installation TO segments_ingest, segments_project, segments_operate;

-- A dump or a template copies the id, so the name also includes the server's and the database's. A promoted replica and a
-- restored base backup keep their name.
CREATE FUNCTION segments.installation_name() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT left(encode(sha256(convert_to(concat_ws('/', i.installation_id, s.system_identifier, d.oid), 'UTF8')), 'hex'), 16)
    FROM segments.installation AS i
    CROSS JOIN pg_control_system() AS s
    INNER JOIN pg_database AS d ON d.datname = current_database()
$$;
GRANT EXECUTE ON FUNCTION segments.installation_name TO segments_ingest, segments_project, segments_operate;
