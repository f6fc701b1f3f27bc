-- The log. No foreign keys on its big tables: their triggers would cost more than the rows themselves.
CREATE TABLE segments.event (
    lane_id integer NOT NULL,
    segment_key integer NOT NULL,
    kafka_offset bigint NOT NULL,
    person_id bigint NOT NULL,
    status_change_timestamp timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    user_status smallint NOT NULL, -- 1 add, 2 block, 3 reset, 4 enter, 5 leave, 6 expire
    content bytea NOT NULL, -- salted digest: equal for equal content
    reference_id text COLLATE "C" NOT NULL,
    discriminator text COLLATE "C" NOT NULL, -- empty if a time was sent, else the first receipt's position
    expires_at timestamptz,
    expired_lane_id integer, -- of an expire: the event that it names
    expired_offset bigint,
    source text,
    actor text,
    request_id text,
    user_sent text, -- if it differs from the person's user_id
    description text,
    metadata json, -- as sent, without the fields moved to the top level: jsonb would print 1e308 with 309 digits
    digest bytea NOT NULL, -- of all other columns, by segments.event_digest()
    blanked bytea, -- the digest of what an erasure blanked; null until then
    CONSTRAINT event_position PRIMARY KEY (lane_id, kafka_offset),
    CONSTRAINT event_identity UNIQUE (person_id, segment_key, status_change_timestamp, reference_id, discriminator)
);
CREATE INDEX event_reference ON segments.event (reference_id);
-- For the views by network, whose references have this collation. A segment belongs to one network, so an index look-up
-- finds only its rows.
CREATE INDEX event_reference_of_segment ON segments.event (segment_key, reference_id COLLATE "POSIX");
-- What came after its day was over, for the question why a day moved. Equal recorded_at share one entry of the index.
CREATE INDEX event_late ON segments.event (segment_key, recorded_at)
WHERE (recorded_at AT TIME ZONE 'UTC')::date > (status_change_timestamp AT TIME ZONE 'UTC')::date;
CREATE TRIGGER event_is_immutable BEFORE UPDATE ON segments.event FOR EACH ROW
EXECUTE FUNCTION segments.refuse_all_but_erasure('{user_sent,description,metadata}');
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON segments.event
FOR EACH ROW EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER event_is_never_truncated BEFORE TRUNCATE ON segments.event
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();
GRANT SELECT, INSERT ON segments.event TO segments_ingest;
GRANT SELECT ON segments.event TO segments_project, segments_operate, segments_api;
GRANT SELECT, UPDATE (user_sent, description, metadata, blanked) ON segments.event TO segments_erase;
