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
    -- Deferrable, so that a file of segments can swap two names.
    CONSTRAINT segment_name_once_per_network UNIQUE (network_id, segment_name) DEFERRABLE INITIALLY IMMEDIATE
);
GRANT SELECT ON segments.segment TO segments_ingest, segments_project, segments_operate, segments_api;
GRANT SELECT, INSERT, UPDATE (segment_name, description, is_visible, archived_at) ON segments.segment TO segments_registry;

-- Id, network, creator and time of creation never change, because events refer to the segment by its key.
CREATE FUNCTION segments.refuse_another_segment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (old.segment_key, old.network_id, old.segment_id, old.created_at, old.created_by)
        IS NOT DISTINCT FROM (new.segment_key, new.network_id, new.segment_id, new.created_at, new.created_by)
    THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION '% on %.% refused: which segment it is, whose and since when never changes',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER segment_stays BEFORE UPDATE OR DELETE ON segments.segment
FOR EACH ROW EXECUTE FUNCTION segments.refuse_another_segment();
CREATE TRIGGER segment_is_never_truncated BEFORE TRUNCATE ON segments.segment
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();
