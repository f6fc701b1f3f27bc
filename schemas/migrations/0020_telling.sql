-- Who tells <prefix>.memberships. The lease keeps processes from taking turns; the order of what is told rests on Kafka.
CREATE TABLE projections.telling (
    only_row boolean NOT NULL DEFAULT true CONSTRAINT telling_pkey PRIMARY KEY CONSTRAINT telling_only_row CHECK (only_row),
    holder uuid,
    -- Before this moment nobody else takes it; the holder renews it.
    until timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO projections.telling (only_row) VALUES (true);
GRANT SELECT, UPDATE ON projections.telling TO segments_project;
GRANT SELECT ON projections.telling TO segments_operate;
