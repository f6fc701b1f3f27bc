-- The applied migrations. `setup` locks this table.
CREATE SCHEMA IF NOT EXISTS migrations;
CREATE TABLE IF NOT EXISTS migrations.applied (
    number integer CONSTRAINT applied_pkey PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- A login that owns nothing compares these with its program.
GRANT USAGE ON SCHEMA migrations TO segments_operate;
GRANT SELECT ON migrations.applied TO segments_operate;
