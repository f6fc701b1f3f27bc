-- The registry of segments: what exists in each network, and every change of it with actor and time.
CREATE SCHEMA segments;
CREATE SCHEMA projections;
CREATE SCHEMA reporting;

-- A row for each network that has a segment, locked by each change of its segments: they are serial within a network,
-- and no network waits for another.
CREATE TABLE segments.network (
    network_id text COLLATE "C" CONSTRAINT network_pkey PRIMARY KEY,
    segments integer NOT NULL DEFAULT 0 -- how many it has, archived ones too
) WITH (fillfactor = 50);

CREATE TABLE segments.segment (
    segment_key integer GENERATED ALWAYS AS IDENTITY CONSTRAINT segment_pkey PRIMARY KEY,
    network_id text COLLATE "C" NOT NULL,
    segment_id integer NOT NULL,
    segment_name text NOT NULL,
    description text,
    is_visible boolean NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text,
    archived_at timestamptz,
    CONSTRAINT segment_id_is_positive CHECK (segment_id > 0),
    CONSTRAINT segment_id_once_per_network UNIQUE (network_id, segment_id),
    -- Deferrable, so that a file of segments may give two of them each other's name.
    CONSTRAINT segment_name_once_per_network UNIQUE (network_id, segment_name) DEFERRABLE INITIALLY IMMEDIATE
);

-- Append-only: the segment as it stood after each change. version: in the order of a network's changes; those of two
-- networks may be committed in another order than they are numbered.
CREATE TABLE segments.registry_event (
    version bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT registry_event_pkey PRIMARY KEY,
    segment_key integer NOT NULL CONSTRAINT registry_event_segment REFERENCES segments.segment,
    change text NOT NULL,
    segment_name text NOT NULL,
    description text,
    is_visible boolean NOT NULL,
    archived boolean NOT NULL,
    changed_at timestamptz NOT NULL,
    actor text,
    CONSTRAINT registry_event_change_is_known CHECK (change IN ('created', 'edited', 'archived', 'restored'))
);
CREATE INDEX registry_event_of_segment ON segments.registry_event (segment_key, version);
