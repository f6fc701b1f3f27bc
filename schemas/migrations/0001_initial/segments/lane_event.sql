-- Actions of operators and of the service on a lane. Append-only.
CREATE TABLE segments.lane_event (
    lane_event_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT lane_event_pkey PRIMARY KEY,
    lane_id integer NOT NULL CONSTRAINT lane_event_lane REFERENCES segments.lane,
    action text NOT NULL CONSTRAINT lane_event_action_is_known CHECK (
        action IN ('opened', 'stopped', 'adopted', 'resumed', 'skipped', 'closed', 'reread')
    ),
    reason text,
    detail text,
    actor text,
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TRIGGER lane_event_is_immutable BEFORE UPDATE OR DELETE ON segments.lane_event
FOR EACH ROW EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER lane_event_is_never_truncated BEFORE TRUNCATE ON segments.lane_event
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();
GRANT SELECT, INSERT ON segments.lane_event TO segments_ingest, segments_operate;
GRANT SELECT ON segments.lane_event TO segments_project;
