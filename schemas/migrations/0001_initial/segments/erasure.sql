CREATE TABLE segments.erasure (
    erasure_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT erasure_pkey PRIMARY KEY,
    person_id bigint NOT NULL,
    network_id text COLLATE "C" NOT NULL, -- empty for a person without network
    actor text NOT NULL,
    reason text NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX erasure_of_network ON segments.erasure (network_id, erasure_id);
CREATE TRIGGER erasure_is_immutable BEFORE UPDATE OR DELETE ON segments.erasure
FOR EACH ROW EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER erasure_is_never_truncated BEFORE TRUNCATE ON segments.erasure
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();
GRANT SELECT ON segments.erasure TO segments_ingest, segments_project, segments_operate;
GRANT SELECT, INSERT ON segments.erasure TO segments_erase;
GRANT USAGE ON SEQUENCE segments.erasure_erasure_id_seq TO segments_erase;

-- Empty. Appends lock it against erasures, an erasure against appends; no other role may lock it.
CREATE TABLE segments.erasure_gate (nothing boolean);
GRANT SELECT, INSERT ON segments.erasure_gate TO segments_ingest, segments_operate;
GRANT SELECT ON segments.erasure_gate TO segments_project;
GRANT UPDATE ON segments.erasure_gate TO segments_erase;

-- A shared lock, so appends run concurrently; no person is erased until the transaction ends.
CREATE FUNCTION segments.keep_erasure_out() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE segments.erasure_gate IN ROW EXCLUSIVE MODE;
END $$;
GRANT EXECUTE ON FUNCTION segments.keep_erasure_out TO segments_ingest, segments_operate;
