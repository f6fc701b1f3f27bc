-- The log: lanes, people, events, and whatever else the offsets of a lane turned out to hold.
-- No foreign keys on the big tables: their triggers would cost more than the rows themselves.

-- One row per partition and epoch: how far the log has come. The append moves it by compare-and-set.
CREATE TABLE segments.lane (
    lane_id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT lane_pkey PRIMARY KEY,
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    epoch integer NOT NULL DEFAULT 0,
    -- Kafka's own id of the topic that is read, which no other ever has; null where the broker is too old to tell.
    topic_id uuid,
    first_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    events bigint NOT NULL DEFAULT 0,
    duplicates bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    holes bigint NOT NULL DEFAULT 0,
    -- The last record in hand, read again on assignment to notice a topic that was made anew.
    last_offset bigint,
    last_timestamp bigint,
    last_digest bytea,
    -- Floors: neither received_at nor recorded_at ever falls within a lane.
    received_at timestamptz NOT NULL DEFAULT '-infinity',
    recorded_at timestamptz NOT NULL DEFAULT '-infinity',
    -- The partition's last stable offset, and when it was asked for.
    end_offset bigint,
    end_seen_at timestamptz,
    -- With this row locked at quiet_at, the log stood at quiet_offset: whatever comes after is recorded later.
    quiet_offset bigint,
    quiet_at timestamptz,
    stopped_because text,
    -- A later epoch took over: nothing is appended here any more.
    closed boolean NOT NULL DEFAULT false,
    CONSTRAINT lane_once UNIQUE (topic, partition, epoch),
    CONSTRAINT lane_counts_tile CHECK (next_offset - first_offset = events + duplicates + rejected + holes)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX lane_open ON segments.lane (topic, partition) WHERE NOT closed;

-- Which installation this database is of: what has it in its group's and transactional ids' names takes nothing from others.
CREATE TABLE segments.installation (
    only_row boolean NOT NULL DEFAULT true CONSTRAINT installation_pkey PRIMARY KEY
    CONSTRAINT installation_only_row CHECK (only_row),
    installation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO segments.installation (only_row) VALUES (true);

-- The id alone would go with a dump, or a template: so its name is made of the server's and the database's as well. A
-- replica that was promoted, and a restored base backup, have the same ones.
CREATE FUNCTION segments.installation_name() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT left(encode(sha256(convert_to(concat_ws('/', i.installation_id, s.system_identifier, d.oid), 'UTF8')), 'hex'), 16)
    FROM segments.installation AS i
    CROSS JOIN pg_control_system() AS s
    INNER JOIN pg_database AS d ON d.datname = current_database()
$$;

-- Whose the topics of a prefix were when a process of ours last looked; the truth stands in <prefix>.owner.
CREATE TABLE segments.topics_owner (
    topic_prefix text COLLATE "C" CONSTRAINT topics_owner_pkey PRIMARY KEY,
    installation text NOT NULL,
    since timestamptz NOT NULL,
    actor text,
    seen_at timestamptz NOT NULL
);

-- What operators and the service itself did to a lane. Append-only.
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

-- The one place where a person's identifier stands. The salt goes into every digest of their content.
CREATE TABLE segments.person (
    person_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT person_pkey PRIMARY KEY,
    network_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    salt bytea NOT NULL,
    -- 0, or the number of the erasure that took the identifier away.
    erased bigint NOT NULL DEFAULT 0,
    CONSTRAINT person_once UNIQUE (user_id, network_id, erased)
);

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
    discriminator text COLLATE "C" NOT NULL, -- empty where a time was given, else the first receipt's position
    expires_at timestamptz,
    expired_lane_id integer, -- of an expire: the event that it names
    expired_offset bigint,
    source text,
    actor text,
    request_id text,
    user_sent text, -- where it differs from the person's user_id
    description text,
    metadata json, -- as it was sent, less what was lifted from it: jsonb would print 1e308 with 309 digits
    digest bytea NOT NULL, -- of all the others, as segments.event_digest() has it
    blanked bytea, -- the part of the digest that stands for what an erasure blanked; null until then
    CONSTRAINT event_position PRIMARY KEY (lane_id, kafka_offset),
    CONSTRAINT event_identity UNIQUE (person_id, segment_key, status_change_timestamp, reference_id, discriminator)
);
CREATE INDEX event_reference ON segments.event (reference_id);
-- For views of one network, which have references in this collation: segments are a network's own, so that what is
-- found is its own as well.
CREATE INDEX event_reference_of_segment ON segments.event (segment_key, reference_id COLLATE "POSIX");

CREATE TABLE segments.duplicate (
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    of_lane_id integer NOT NULL,
    of_offset bigint NOT NULL,
    segment_key integer NOT NULL, -- the event's
    digest bytea NOT NULL, -- of all the others, as segments.row_digest() has it
    CONSTRAINT duplicate_position PRIMARY KEY (lane_id, kafka_offset)
);
CREATE INDEX duplicate_of_event ON segments.duplicate (of_lane_id, of_offset);

CREATE TABLE segments.rejected (
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    reason text NOT NULL,
    detail text, -- null once erased: it may name fields of the payload
    -- What could be read of it.
    network_id text COLLATE "C",
    person_id bigint,
    segment_id bigint,
    user_status text,
    status_change_timestamp timestamptz,
    reference_id text COLLATE "C",
    record_key bytea,
    payload bytea,
    payload_text text,
    -- The headers that decide something, to be kept by a retry: {name: text}.
    headers jsonb,
    -- Whom the record key names, where that is another than person_id: for erasure alone, and in no view.
    key_person_id bigint,
    -- Of a batch that could not be read one row stands for all of its offsets.
    next_offset bigint NOT NULL,
    salt bytea, -- for what an erasure blanks, and goes with it
    digest bytea NOT NULL, -- as an event's
    blanked bytea,
    CONSTRAINT rejected_position PRIMARY KEY (lane_id, kafka_offset),
    CONSTRAINT rejected_is_a_range CHECK (kafka_offset < next_offset)
);
-- Where the rejected record stands that stands for a place too: itself, or the first offset of its batch. Else null.
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
CREATE INDEX rejected_reference ON segments.rejected (reference_id) WHERE reference_id IS NOT NULL;
CREATE INDEX rejected_reference_of_network ON segments.rejected (network_id, reference_id COLLATE "POSIX")
WHERE reference_id IS NOT NULL;
CREATE INDEX rejected_person ON segments.rejected (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX rejected_key_person ON segments.rejected (key_person_id) WHERE key_person_id IS NOT NULL;

-- When a rejected record was published again. Append-only, so that rejected itself never changes.
CREATE TABLE segments.retry (
    retry_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT retry_pkey PRIMARY KEY,
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    retried_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text
);
CREATE INDEX retry_of_rejected ON segments.retry (lane_id, kafka_offset);

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

-- Which event an idempotency key names. Kept at least 7 days.
CREATE TABLE segments.idempotency (
    network_id text COLLATE "C" NOT NULL,
    key_digest bytea NOT NULL,
    seen_at timestamptz NOT NULL,
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    request bytea NOT NULL, -- salted digest of all that the key names: content, segment, user, reference, time
    CONSTRAINT idempotency_key_once PRIMARY KEY (network_id, key_digest)
);

-- Signatures that were believed, each once, by the nonce that they hold. Not part of the log: forgotten once no record
-- that is still to be read can be believed with them.
CREATE TABLE segments.signature (
    signed_at timestamptz NOT NULL,
    nonce bytea NOT NULL,
    CONSTRAINT signature_once PRIMARY KEY (signed_at, nonce)
);

-- No signature that was made before is believed: it may have been forgotten. One row.
CREATE TABLE segments.signature_horizon (
    forgotten_until timestamptz NOT NULL DEFAULT '-infinity',
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX signature_horizon_is_one ON segments.signature_horizon ((true));
INSERT INTO segments.signature_horizon DEFAULT VALUES;

-- How many signatures were not believed, and why: counted in the append, for `segments status`.
CREATE TABLE segments.unbelieved (
    lane_id integer NOT NULL,
    source text NOT NULL,
    cause text NOT NULL,
    records bigint NOT NULL,
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT unbelieved_once PRIMARY KEY (lane_id, source, cause)
);

-- How far each lane's rejected records were published to <prefix>.rejected.
CREATE TABLE segments.relay (
    lane_id integer CONSTRAINT relay_pkey PRIMARY KEY,
    next_offset bigint NOT NULL
);

CREATE TABLE segments.erasure (
    erasure_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT erasure_pkey PRIMARY KEY,
    person_id bigint NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What digests are made of: a value and its length, as in COPY's binary format. Not as record_send() has it, for that
-- depends on the session's encoding.
CREATE FUNCTION segments.framed(value bytea) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(int4send(length(value)) || value, '\xffffffff')
$$;
CREATE FUNCTION segments.framed(value text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT segments.framed(convert_to(value, 'UTF8'))
$$;

-- What an erasure takes from an event, as a digest that tells nothing once the salt is gone: the free text as it was
-- sent, and whose the event is.
CREATE FUNCTION segments.personal_digest(
    salt bytea, network_id text, user_id text, user_sent text, description text, metadata text
) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT substr(sha256(
        salt || segments.framed(user_sent) || segments.framed(description) || segments.framed(metadata)
        || convert_to(network_id || ':' || user_id, 'UTF8')
    ), 1, 16)
$$;

-- Of every column of an event. Ingest makes it in Python (service.log.copy_format); this is the same, for `segments verify`.
CREATE FUNCTION segments.event_digest(
    e segments.event, personal bytea, segment_id integer, topic text, partition integer, epoch integer
) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT substr(sha256(
        personal
        || segments.framed(int4send(e.expired_lane_id)) || segments.framed(int8send(e.expired_offset))
        || segments.framed(e.source) || segments.framed(e.actor) || segments.framed(e.request_id)
        || segments.framed(int4send(e.segment_key)) || segments.framed(int8send(e.kafka_offset))
        || segments.framed(int8send(e.person_id)) || segments.framed(timestamptz_send(e.status_change_timestamp))
        || segments.framed(timestamptz_send(e.received_at)) || segments.framed(int2send(e.user_status))
        || segments.framed(e.content) || segments.framed(e.reference_id) || segments.framed(e.discriminator)
        || segments.framed(timestamptz_send(e.expires_at))
        || int4send(segment_id) || convert_to(topic || '-' || partition::text || '-' || epoch::text, 'UTF8')
        || timestamptz_send(e.recorded_at)
    ), 1, 16)
$$;

-- The same of the other rows of the log. They are few: a trigger makes these, and a salt for each refused record.
CREATE FUNCTION segments.personal_digest(r segments.rejected) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT substr(sha256(
        r.salt || segments.framed(r.detail) || segments.framed(r.record_key) || segments.framed(r.payload)
        || segments.framed(r.payload_text) || segments.framed(r.headers::text)
    ), 1, 16)
$$;
CREATE FUNCTION segments.row_digest(r segments.rejected) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT substr(sha256(
        coalesce(r.blanked, segments.personal_digest(r))
        || int4send(r.lane_id) || int8send(r.kafka_offset) || int8send(r.next_offset)
        || timestamptz_send(r.received_at) || timestamptz_send(r.recorded_at)
        || segments.framed(r.reason) || segments.framed(r.network_id) || segments.framed(int8send(r.person_id))
        || segments.framed(int8send(r.key_person_id)) || segments.framed(int8send(r.segment_id))
        || segments.framed(r.user_status) || segments.framed(timestamptz_send(r.status_change_timestamp))
        || segments.framed(r.reference_id)
    ), 1, 16)
$$;
CREATE FUNCTION segments.row_digest(d segments.duplicate) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT substr(sha256(
        int4send(d.lane_id) || int8send(d.kafka_offset) || timestamptz_send(d.received_at)
        || timestamptz_send(d.recorded_at) || int4send(d.of_lane_id) || int8send(d.of_offset) || int4send(d.segment_key)
    ), 1, 16)
$$;
CREATE FUNCTION segments.row_digest(h segments.hole) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT substr(sha256(
        int4send(h.lane_id) || int8send(h.first_offset) || int8send(h.next_offset) || timestamptz_send(h.recorded_at)
        || convert_to(h.cause, 'UTF8')
    ), 1, 16)
$$;
-- A row that comes with its digest is a copy, as a restore's, and keeps it: it may have been blanked since.
CREATE FUNCTION segments.make_digest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.digest IS NULL THEN
        IF TG_TABLE_NAME = 'rejected' THEN
            new.salt := uuid_send(gen_random_uuid());
        END IF;
        new.digest := segments.row_digest(new);
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER duplicate_has_a_digest BEFORE INSERT ON segments.duplicate
FOR EACH ROW EXECUTE FUNCTION segments.make_digest();
CREATE TRIGGER rejected_has_a_digest BEFORE INSERT ON segments.rejected
FOR EACH ROW EXECUTE FUNCTION segments.make_digest();
CREATE TRIGGER hole_has_a_digest BEFORE INSERT ON segments.hole
FOR EACH ROW EXECUTE FUNCTION segments.make_digest();

-- An event's id: a UUID (version 8) from its position alone, the same after a rebuild or a restore.
CREATE FUNCTION segments.event_id(topic text, partition integer, epoch integer, kafka_offset bigint)
RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT overlay(overlay(md5(topic || '/' || partition || '/' || epoch || '/' || kafka_offset)
        PLACING '8' FROM 13) PLACING 'a' FROM 17)::uuid
$$;

-- What is remembered of a database holds as long as this stays the same. It changes with each start of Postgres (also on
-- an older copy of its files), with a failover (the timeline), and where database or tables are others of that name.
CREATE FUNCTION segments.incarnation() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT concat_ws(
        '-',
        to_hex((extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint),
        CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'standby'
            ELSE left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8) END,
        (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()),
        'segments.lane'::regclass::oid
    )
$$;
