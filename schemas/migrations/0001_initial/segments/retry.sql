-- The retries of rejected records. Append-only, so that `rejected` itself never changes.
CREATE TABLE segments.retry (
    retry_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT retry_pkey PRIMARY KEY,
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    retried_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text,
    network_id text COLLATE "C", -- of the rejected record, if it could be read
    retried_as text -- the position of the new record: topic:partition:epoch:offset
);
CREATE INDEX retry_of_rejected ON segments.retry (lane_id, kafka_offset);
CREATE INDEX retry_of_network ON segments.retry (network_id, retry_id);
CREATE TRIGGER retry_is_immutable BEFORE UPDATE OR DELETE ON segments.retry
FOR EACH ROW EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER retry_is_never_truncated BEFORE TRUNCATE ON segments.retry
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();
GRANT SELECT ON segments.retry TO segments_ingest, segments_project, segments_api;
GRANT SELECT, INSERT ON segments.retry TO segments_operate;
