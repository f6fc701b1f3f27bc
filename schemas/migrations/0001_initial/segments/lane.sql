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
GRANT SELECT, INSERT, UPDATE ON segments.lane TO segments_ingest, segments_operate;
GRANT SELECT ON segments.lane TO segments_project, segments_erase, segments_api;
