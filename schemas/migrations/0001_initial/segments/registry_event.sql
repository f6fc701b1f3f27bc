-- Append-only: the segment after each change. version: in the order of a network's changes; changes of different networks
-- may be committed in another order than they are numbered.
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
    reason text, -- why, as the actor says
    CONSTRAINT registry_event_change_is_known CHECK (change IN ('created', 'edited', 'archived', 'restored'))
);
CREATE INDEX registry_event_of_segment ON segments.registry_event (segment_key, version);
CREATE TRIGGER registry_event_is_immutable BEFORE UPDATE OR DELETE ON segments.registry_event
FOR EACH ROW EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER registry_event_is_never_truncated BEFORE TRUNCATE ON segments.registry_event
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();
GRANT SELECT ON segments.registry_event TO segments_ingest, segments_project, segments_operate;
GRANT SELECT, INSERT ON segments.registry_event TO segments_registry;
