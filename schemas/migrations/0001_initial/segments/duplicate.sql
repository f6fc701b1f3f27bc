CREATE TABLE segments.duplicate (
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    of_lane_id integer NOT NULL,
    of_offset bigint NOT NULL,
    segment_key integer NOT NULL, -- the event's
    digest bytea NOT NULL, -- of all other columns, by segments.row_digest()
    CONSTRAINT duplicate_position PRIMARY KEY (lane_id, kafka_offset)
);
CREATE INDEX duplicate_of_event ON segments.duplicate (of_lane_id, of_offset);
CREATE TRIGGER duplicate_has_a_digest BEFORE INSERT ON segments.duplicate
FOR EACH ROW EXECUTE FUNCTION segments.make_digest();
CREATE TRIGGER duplicate_is_immutable BEFORE UPDATE OR DELETE ON segments.duplicate
FOR EACH ROW EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER duplicate_is_never_truncated BEFORE TRUNCATE ON segments.duplicate
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();
GRANT SELECT, INSERT ON segments.duplicate TO segments_ingest;
GRANT SELECT ON segments.duplicate TO segments_project, segments_operate, segments_api;
