CREATE TABLE segments.rejected (
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    reason text NOT NULL,
    detail text, -- null once erased: it may name fields of the payload
    -- The fields that could be read.
    network_id text COLLATE "C",
    person_id bigint,
    segment_id bigint,
    user_status text,
    status_change_timestamp timestamptz,
    reference_id text COLLATE "C",
    record_key bytea,
    payload bytea,
    payload_text text,
    -- The headers that have an effect, for a retry: {name: text}.
    headers jsonb,
    -- The person in the record key, if not person_id: only for erasure, and in no view.
    key_person_id bigint,
    -- One row represents all offsets of an unreadable batch.
    next_offset bigint NOT NULL,
    salt bytea, -- for what an erasure blanks; removed with it
    digest bytea NOT NULL, -- as an event's
    blanked bytea,
    CONSTRAINT rejected_position PRIMARY KEY (lane_id, kafka_offset),
    CONSTRAINT rejected_is_a_range CHECK (kafka_offset < next_offset)
);
CREATE INDEX rejected_reference ON segments.rejected (reference_id) WHERE reference_id IS NOT NULL;
CREATE INDEX rejected_reference_of_network ON segments.rejected (network_id, reference_id COLLATE "POSIX")
WHERE reference_id IS NOT NULL;
CREATE INDEX rejected_of_network ON segments.rejected (network_id, reason, recorded_at) INCLUDE (lane_id, kafka_offset)
WHERE network_id IS NOT NULL;
CREATE INDEX rejected_person ON segments.rejected (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX rejected_key_person ON segments.rejected (key_person_id) WHERE key_person_id IS NOT NULL;
CREATE TRIGGER rejected_has_a_digest BEFORE INSERT ON segments.rejected
FOR EACH ROW EXECUTE FUNCTION segments.make_digest();
CREATE TRIGGER rejected_is_immutable BEFORE UPDATE ON segments.rejected FOR EACH ROW
EXECUTE FUNCTION segments.refuse_all_but_erasure('{detail,record_key,payload,payload_text,headers,salt}');
CREATE TRIGGER rejected_is_never_deleted BEFORE DELETE ON segments.rejected
FOR EACH ROW EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER rejected_is_never_truncated BEFORE TRUNCATE ON segments.rejected
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();
GRANT SELECT, INSERT ON segments.rejected TO segments_ingest, segments_operate;
GRANT SELECT ON segments.rejected TO segments_project, segments_api;
GRANT SELECT, UPDATE (detail, record_key, payload, payload_text, headers, salt, blanked) ON segments.rejected TO segments_erase;

-- The offset of the rejected record at a position: the position itself, or the first offset of an unreadable batch. Null
-- without one.
CREATE FUNCTION segments.rejected_at(lane_id integer, kafka_offset bigint) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT CASE WHEN b.next_offset > $2 THEN b.kafka_offset END
    FROM (
        SELECT r.kafka_offset, r.next_offset FROM segments.rejected AS r
        WHERE r.lane_id = $1 AND r.kafka_offset <= $2
        ORDER BY r.kafka_offset DESC LIMIT 1
    ) AS b
);
GRANT EXECUTE ON FUNCTION segments.rejected_at TO segments_operate, segments_erase, segments_api;
