-- Rejected records without a readable user, in value or key, may still contain an identifier. An operator blanks them by
-- position.

-- The records blanked in this way, with actor and reason. Append-only.
CREATE TABLE segments.rejected_erasure (
    rejected_erasure_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT rejected_erasure_pkey PRIMARY KEY,
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    network_id text COLLATE "C", -- of the rejected record, if it could be read
    actor text NOT NULL,
    reason text NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX rejected_erasure_of_network ON segments.rejected_erasure (network_id, rejected_erasure_id);
CREATE TRIGGER rejected_erasure_is_immutable BEFORE UPDATE OR DELETE ON segments.rejected_erasure
FOR EACH ROW EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER rejected_erasure_is_never_truncated BEFORE TRUNCATE ON segments.rejected_erasure
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();
GRANT SELECT ON segments.rejected_erasure TO segments_operate;
GRANT SELECT, INSERT ON segments.rejected_erasure TO segments_erase;

CREATE FUNCTION segments.erase_rejected(
    kafka_topic text, kafka_partition integer, kafka_epoch integer, kafka_offset bigint, actor text, reason text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lane integer;
    place bigint;
    network text;
    number bigint;
BEGIN
    SELECT l.lane_id, segments.rejected_at(l.lane_id, erase_rejected.kafka_offset) INTO lane, place FROM segments.lane AS l
    WHERE l.topic = kafka_topic AND l.partition = kafka_partition AND l.epoch = kafka_epoch;
    UPDATE segments.rejected AS r
    SET detail = NULL, record_key = NULL, payload = NULL, payload_text = NULL, headers = NULL, salt = NULL,
        blanked = coalesce(r.blanked, segments.personal_digest(r))
    WHERE r.lane_id = lane AND r.kafka_offset = place
    RETURNING r.network_id INTO network;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO segments.rejected_erasure (lane_id, kafka_offset, network_id, actor, reason)
    VALUES (lane, place, network, erase_rejected.actor, erase_rejected.reason)
    RETURNING rejected_erasure_id INTO number;
    RETURN number;
END $$;
COMMENT ON FUNCTION segments.erase_rejected(text, integer, integer, bigint, text, text) IS
'Blanks detail, key, payload and headers of one rejected record; the row stays. For records that segments.erase_person() can''t assign to a person. Returns the number under which it is recorded, or null if there is no rejected record at that position.';
-- Granted here, while the owner still owns it: setup then gives it to the erasing role.
GRANT EXECUTE ON FUNCTION segments.erase_rejected TO segments_operate;
