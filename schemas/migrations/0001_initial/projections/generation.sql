-- The state of the workers. Each projection has two slots, the serving one and one to rebuild into; generation has the
-- number of the serving slot, so a swap updates one row and changes no view.
CREATE TABLE projections.generation (
    projection text CONSTRAINT generation_pkey PRIMARY KEY,
    slot smallint NOT NULL CONSTRAINT generation_slot CHECK (slot IN (0, 1)),
    -- Digest of the SQL that made the serving slot; a worker with other SQL exits and requests a rebuild.
    digest text,
    rebuilt_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO projections.generation (projection, slot) VALUES ('membership', 0);
GRANT SELECT ON projections.generation TO segments_ingest, segments_operate, segments_api;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON projections.generation TO segments_project;
