CREATE TABLE segments.hole (
    lane_id integer NOT NULL,
    first_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    cause text NOT NULL,
    recorded_at timestamptz NOT NULL,
    digest bytea NOT NULL,
    CONSTRAINT hole_position PRIMARY KEY (lane_id, first_offset),
    CONSTRAINT hole_is_a_range CHECK (first_offset < next_offset)
);
CREATE TRIGGER hole_has_a_digest BEFORE INSERT ON segments.hole
FOR EACH ROW EXECUTE FUNCTION segments.make_digest();
CREATE TRIGGER hole_is_immutable BEFORE UPDATE OR DELETE ON segments.hole
FOR EACH ROW EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER hole_is_never_truncated BEFORE TRUNCATE ON segments.hole
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();
GRANT SELECT, INSERT ON segments.hole TO segments_ingest, segments_operate;
GRANT SELECT ON segments.hole TO segments_project, segments_api;
