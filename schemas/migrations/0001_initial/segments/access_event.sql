-- Who read whose data: one row for the equal reads of a process within a second or so. Kept for 400 days.
CREATE TABLE segments.access_event (
    access_event_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT access_event_pkey PRIMARY KEY,
    network_id text COLLATE "C", -- null: all networks
    segment_id bigint,
    person_id bigint, -- null also if nobody has the identifier that was asked for
    actor text NOT NULL,
    key_id text COLLATE "C",
    via text NOT NULL CONSTRAINT access_event_via_is_known CHECK (via IN ('http', 'page', 'command')),
    route text NOT NULL,
    reads integer NOT NULL,
    rows_read bigint,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL
);
CREATE INDEX access_event_of_network ON segments.access_event (network_id, last_at);
CREATE INDEX access_event_last ON segments.access_event (last_at);
CREATE INDEX access_event_person ON segments.access_event (person_id) WHERE person_id IS NOT NULL;
GRANT INSERT ON segments.access_event TO segments_api, segments_operate;

CREATE FUNCTION segments.refuse_access_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND old.last_at < clock_timestamp() - interval '400 days' THEN
        RETURN old;
    END IF;
    RAISE EXCEPTION '% on %.% refused: it is append-only, and kept for 400 days', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER access_event_is_kept BEFORE UPDATE OR DELETE ON segments.access_event
FOR EACH ROW EXECUTE FUNCTION segments.refuse_access_change();
CREATE TRIGGER access_event_is_never_truncated BEFORE TRUNCATE ON segments.access_event
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();

-- Delete what is older than 400 days, at most 5,000 rows per call, the oldest first; return their number.
CREATE FUNCTION segments.forget_accesses() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS MATERIALIZED (
        SELECT a.access_event_id FROM segments.access_event AS a
        WHERE a.last_at < now() - interval '400 days'
        ORDER BY a.last_at LIMIT 5000 FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM segments.access_event AS a USING old AS o WHERE a.access_event_id = o.access_event_id
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$;
GRANT EXECUTE ON FUNCTION segments.forget_accesses TO segments_ingest;
