-- One row per partition and epoch, with the position of the log. The append moves it by compare-and-set.
CREATE TABLE segments.lane (
    lane_id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT lane_pkey PRIMARY KEY,
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    epoch integer NOT NULL DEFAULT 0,
    -- Kafka's id of the topic, which is never used again; null if the broker is too old to have ids.
    topic_id uuid,
    first_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    events bigint NOT NULL DEFAULT 0,
    duplicates bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    holes bigint NOT NULL DEFAULT 0,
    -- The last record, compared on assignment to detect a recreated topic.
    last_offset bigint,
    last_timestamp bigint,
    last_digest bytea,
    -- Minimums: received_at and recorded_at never decrease within a lane.
    received_at timestamptz NOT NULL DEFAULT '-infinity',
    recorded_at timestamptz NOT NULL DEFAULT '-infinity',
    -- The partition's last stable offset, and the time of the request.
    end_offset bigint,
    end_seen_at timestamptz,
    -- While this row was locked at quiet_at, the log was at quiet_offset: later events have a later recorded_at.
    quiet_offset bigint,
    quiet_at timestamptz,
    stopped_because text,
    -- Replaced by a later epoch; no longer appended to.
    closed boolean NOT NULL DEFAULT false,
    CONSTRAINT lane_once UNIQUE (topic, partition, epoch),
    CONSTRAINT lane_counts_tile CHECK (next_offset - first_offset = events + duplicates + rejected + holes)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX lane_open ON segments.lane (topic, partition) WHERE NOT closed;
GRANT SELECT, INSERT, UPDATE ON segments.lane TO segments_ingest, segments_operate;
GRANT SELECT ON segments.lane TO segments_project, segments_erase, segments_api;
