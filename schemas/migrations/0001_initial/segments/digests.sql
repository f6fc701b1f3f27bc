-- The input of digests: each value with its length, as in COPY's binary format. record_send() depends on the session's
-- encoding. STABLE, as convert_to() is, so that Postgres can inline the function: a call for each column of each event
-- would take most of the time of verify.
CREATE FUNCTION segments.framed(value bytea) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(int4send(length(value)) || value, '\xffffffff'::bytea);

-- The database is in UTF-8, which setup checks, so text has the same bytes here.
CREATE FUNCTION segments.framed(value text) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(int4send(octet_length(value)) || convert_to(value, 'UTF8'), '\xffffffff'::bytea);
GRANT EXECUTE ON FUNCTION segments.framed(bytea), segments.framed(text) TO segments_ingest, segments_operate, segments_erase;

-- The digest of what an erasure removes from an event: its free text as sent, and its user. Without the salt it reveals
-- nothing.
CREATE FUNCTION segments.personal_digest(
    salt bytea, network_id text, user_id text, user_sent text, description text, metadata text
) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
RETURN substr(sha256(
    salt || segments.framed(user_sent) || segments.framed(description) || segments.framed(metadata)
    || convert_to(network_id || ':' || user_id, 'UTF8')
), 1, 16);
GRANT EXECUTE ON FUNCTION segments.personal_digest(bytea, text, text, text, text, text)
TO segments_ingest, segments_operate, segments_erase;

-- Every column of an event but what its personal digest covers. Ingest makes it in Python (service.log.copy_format).
CREATE FUNCTION segments.event_covered(
    e segments.event, segment_id integer, topic text, partition integer, epoch integer
) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
RETURN segments.framed(int4send(e.expired_lane_id)) || segments.framed(int8send(e.expired_offset))
|| segments.framed(e.source) || segments.framed(e.actor) || segments.framed(e.request_id)
|| segments.framed(int4send(e.segment_key)) || segments.framed(int8send(e.kafka_offset))
|| segments.framed(int8send(e.person_id)) || segments.framed(timestamptz_send(e.status_change_timestamp))
|| segments.framed(timestamptz_send(e.received_at)) || segments.framed(int2send(e.user_status))
|| segments.framed(e.content) || segments.framed(e.reference_id) || segments.framed(e.discriminator)
|| segments.framed(timestamptz_send(e.expires_at))
|| int4send(segment_id) || convert_to(topic || '-' || partition::text || '-' || epoch::text, 'UTF8')
|| timestamptz_send(e.recorded_at);

-- The digest of every column of an event, for `segments verify` and the audit of the seal.
CREATE FUNCTION segments.event_digest(
    e segments.event, personal bytea, segment_id integer, topic text, partition integer, epoch integer
) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
RETURN substr(sha256(personal || segments.event_covered(e, segment_id, topic, partition, epoch)), 1, 16);
GRANT EXECUTE ON FUNCTION segments.event_covered, segments.event_digest TO segments_operate;

-- The same for the other rows of the log. They are few, so a trigger computes it, and makes a salt for each rejected record.
CREATE FUNCTION segments.personal_digest(r segments.rejected) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
RETURN substr(sha256(
    r.salt || segments.framed(r.detail) || segments.framed(r.record_key) || segments.framed(r.payload)
    || segments.framed(r.payload_text) || segments.framed(r.headers::text)
), 1, 16);
GRANT EXECUTE ON FUNCTION segments.personal_digest(segments.rejected) TO segments_ingest, segments_operate, segments_erase;

CREATE FUNCTION segments.rejected_covered(r segments.rejected) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
RETURN int4send(r.lane_id) || int8send(r.kafka_offset) || int8send(r.next_offset)
|| timestamptz_send(r.received_at) || timestamptz_send(r.recorded_at)
|| segments.framed(r.reason) || segments.framed(r.network_id) || segments.framed(int8send(r.person_id))
|| segments.framed(int8send(r.key_person_id)) || segments.framed(int8send(r.segment_id))
|| segments.framed(r.user_status) || segments.framed(timestamptz_send(r.status_change_timestamp))
|| segments.framed(r.reference_id);

CREATE FUNCTION segments.row_digest(r segments.rejected) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
RETURN substr(sha256(coalesce(r.blanked, segments.personal_digest(r)) || segments.rejected_covered(r)), 1, 16);

CREATE FUNCTION segments.row_digest(d segments.duplicate) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN substr(sha256(
    int4send(d.lane_id) || int8send(d.kafka_offset) || timestamptz_send(d.received_at)
    || timestamptz_send(d.recorded_at) || int4send(d.of_lane_id) || int8send(d.of_offset) || int4send(d.segment_key)
), 1, 16);

CREATE FUNCTION segments.row_digest(h segments.hole) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
RETURN substr(sha256(
    int4send(h.lane_id) || int8send(h.first_offset) || int8send(h.next_offset) || timestamptz_send(h.recorded_at)
    || convert_to(h.cause, 'UTF8')
), 1, 16);
GRANT EXECUTE ON FUNCTION segments.rejected_covered, segments.row_digest(segments.rejected),
segments.row_digest(segments.duplicate),
segments.row_digest(segments.hole)
TO segments_ingest, segments_operate;
