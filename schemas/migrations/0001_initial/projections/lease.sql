-- Leases, to tell memberships and to rebuild: who was stopped for longer loses it, and may not notice at once.
CREATE TABLE projections.lease (
    name text CONSTRAINT lease_pkey PRIMARY KEY,
    holder uuid,
    -- Before this moment nobody else takes it; the holder renews it.
    until timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO projections.lease (name) VALUES ('memberships'), ('rebuild');
GRANT SELECT, UPDATE ON projections.lease TO segments_project;
