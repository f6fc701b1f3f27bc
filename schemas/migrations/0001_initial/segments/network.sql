-- A row for each network with segments, locked by each change of its segments, so that changes are serial within a
-- network and no network waits for another.
CREATE TABLE segments.network (
    network_id text COLLATE "C" CONSTRAINT network_pkey PRIMARY KEY,
    segments integer NOT NULL DEFAULT 0, -- their number, including archived ones
    changes bigint NOT NULL DEFAULT 0 -- of its segments, each a registry_event: the version of this network's registry
) WITH (fillfactor = 50);
GRANT SELECT ON segments.network TO segments_ingest, segments_project, segments_operate;
GRANT SELECT, INSERT, UPDATE ON segments.network TO segments_registry;
