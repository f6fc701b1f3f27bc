-- Leases, for publishing memberships, for rebuilds and for what operators asked for. A process that is stopped for longer loses its lease, and may not
-- notice at once.
CREATE TABLE projections.lease (
    name text CONSTRAINT lease_pkey PRIMARY KEY,
    holder uuid,
    -- Until then no other process can take it; the holder renews it.
    until timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO projections.lease (name) VALUES ('memberships'), ('rebuild'), ('task');
GRANT SELECT, UPDATE ON projections.lease TO segments_project;
