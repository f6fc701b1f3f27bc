-- What the workers keep beside the log. Each projection has two slots, one that serves and one to rebuild
-- into; generation says which serves, so a swap is the update of one row and no view is ever touched.
CREATE TABLE projections.generation (
    projection text CONSTRAINT generation_pkey PRIMARY KEY,
    slot smallint NOT NULL CONSTRAINT generation_slot CHECK (slot IN (0, 1)),
    -- Digest of the SQL that made the serving slot; a worker with other SQL stops and asks for a rebuild.
    digest text,
    rebuilt_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO projections.generation (projection, slot) VALUES ('membership', 0);

-- How far a slot of a projection has folded a lane, moved in the transaction that moves its rows.
CREATE TABLE projections.checkpoint (
    projection text NOT NULL CONSTRAINT checkpoint_projection REFERENCES projections.generation,
    slot smallint NOT NULL,
    lane_id integer NOT NULL CONSTRAINT checkpoint_lane REFERENCES segments.lane,
    next_offset bigint NOT NULL,
    -- Every record of the lane received before complete_until is folded; nothing recorded before
    -- recorded_until will still appear. Neither ever falls.
    complete_until timestamptz NOT NULL DEFAULT '-infinity',
    recorded_until timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT checkpoint_pkey PRIMARY KEY (projection, slot, lane_id)
) WITH (fillfactor = 50);

CREATE TABLE projections.membership (
    slot smallint NOT NULL,
    segment_key integer NOT NULL,
    person_id bigint NOT NULL,
    state segments.key_state,
    -- When the override is to lapse. A column and not an expression over the state: an index on the state would make
    -- every fold of a key write anew into all of its indexes, while most keys never lapse and this stays null.
    expires_at timestamptz GENERATED ALWAYS AS ((state).expires_at) STORED,
    -- Events after the key's last kept state; all of its events where none is kept.
    tail integer NOT NULL DEFAULT 0,
    CONSTRAINT membership_pkey PRIMARY KEY (slot, segment_key, person_id)
) PARTITION BY LIST (slot);
CREATE TABLE projections.membership_0 PARTITION OF projections.membership FOR VALUES IN (0) WITH (fillfactor = 75);
CREATE TABLE projections.membership_1 PARTITION OF projections.membership FOR VALUES IN (1) WITH (fillfactor = 75);
CREATE INDEX membership_of_person ON projections.membership (person_id);
CREATE INDEX membership_lapses ON projections.membership (expires_at, segment_key, person_id) WHERE expires_at IS NOT NULL;

-- The states of long keys after some of their events, so that a late event, or a question about one, folds what lies
-- between two of them and not the whole key. A state is that after all events of the key up to its own, in the fold's
-- order, without last_recorded_at: what comes late would change that in each. Which events have one is free.
-- Written and read with the key's row in membership locked.
CREATE TABLE projections.kept_state (
    slot smallint NOT NULL,
    segment_key integer NOT NULL,
    person_id bigint NOT NULL,
    status_change_timestamp timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    state segments.key_state NOT NULL,
    -- Of the adds and blocks up to this event and after the kept state before it, the one that came first; null: none.
    -- It tells which events of before are superseded.
    arrived_at timestamptz,
    arrived_lane_id integer,
    arrived_offset bigint,
    CONSTRAINT kept_state_pkey PRIMARY KEY (slot, person_id, segment_key, status_change_timestamp, lane_id, kafka_offset)
) PARTITION BY LIST (slot);
CREATE TABLE projections.kept_state_0 PARTITION OF projections.kept_state FOR VALUES IN (0);
CREATE TABLE projections.kept_state_1 PARTITION OF projections.kept_state FOR VALUES IN (1);

-- A state with another last_recorded_at, or with none.
CREATE FUNCTION projections.as_recorded(state segments.key_state, at timestamptz) RETURNS segments.key_state
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    state.last_recorded_at := at;
    RETURN state;
END $$;

-- Sums over the keys of a segment. Per lane, so that lanes never wait for one another's rows.
CREATE TABLE projections.size (
    slot smallint NOT NULL,
    segment_key integer NOT NULL,
    lane_id integer NOT NULL,
    members bigint NOT NULL,
    added bigint NOT NULL,
    blocked bigint NOT NULL,
    CONSTRAINT size_pkey PRIMARY KEY (slot, segment_key, lane_id)
) PARTITION BY LIST (slot);
CREATE TABLE projections.size_0 PARTITION OF projections.size FOR VALUES IN (0) WITH (fillfactor = 50);
CREATE TABLE projections.size_1 PARTITION OF projections.size FOR VALUES IN (1) WITH (fillfactor = 50);

-- Flips of is_member by UTC day of their time, and the newest recorded_at of the day's events.
CREATE TABLE projections.size_daily (
    slot smallint NOT NULL,
    segment_key integer NOT NULL,
    day date NOT NULL,
    lane_id integer NOT NULL,
    joined bigint NOT NULL,
    departed bigint NOT NULL,
    restated_at timestamptz,
    CONSTRAINT size_daily_pkey PRIMARY KEY (slot, segment_key, day, lane_id)
) PARTITION BY LIST (slot);
CREATE TABLE projections.size_daily_0 PARTITION OF projections.size_daily FOR VALUES IN (0) WITH (fillfactor = 75);
CREATE TABLE projections.size_daily_1 PARTITION OF projections.size_daily FOR VALUES IN (1) WITH (fillfactor = 75);

-- How far <prefix>.memberships was told, per lane of the log.
CREATE TABLE projections.teller (
    lane_id integer CONSTRAINT teller_pkey PRIMARY KEY,
    next_offset bigint NOT NULL
);

-- Autovacuum looks at a table once a minute at the soonest. Until then the planner takes one that fills quickly for
-- empty, and statements prepared meanwhile walk through all of it: so the workers have tables analyzed that grew tenfold.
CREATE FUNCTION projections.analyze_grown() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    grown regclass;
BEGIN
    FOR grown IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.oid IN (
            'segments.event'::regclass, 'segments.person'::regclass,
            'projections.membership_0'::regclass, 'projections.membership_1'::regclass
        ) AND pg_relation_size(c.oid) > 10 * 8192 * greatest(c.relpages, 2)
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', grown); -- another worker may be at it
    END LOOP;
END $$;

-- The log below the checkpoints of the serving slot, in each key's order, with the state after each event, and whether it
-- was superseded: an add or block of the key is later in the fold's order and came earlier; an expire never is. Going
-- backwards through the order, that is an arrival lower than its own. What nobody asks for costs nothing.
CREATE VIEW projections.history AS
SELECT
    a.segment_key,
    a.person_id,
    a.lane_id,
    a.kafka_offset,
    a.status_change_timestamp,
    a.user_status,
    segments.fold(
        NULL::segments.key_state, a.user_status, a.status_change_timestamp, a.received_at, a.recorded_at,
        a.lane_id, a.kafka_offset, a.expires_at, a.expired_lane_id, a.expired_offset
    ) OVER in_order AS state,
    row_number() OVER in_order AS place,
    a.user_status <> 6 AND coalesce(min(a.arrival) FILTER (WHERE a.user_status <= 2) OVER backwards < a.arrival, false)
        AS superseded
FROM (
    SELECT
        e.segment_key,
        e.person_id,
        e.lane_id,
        e.kafka_offset,
        e.status_change_timestamp,
        e.user_status,
        e.received_at,
        e.recorded_at,
        e.expires_at,
        e.expired_lane_id,
        e.expired_offset,
        l.topic,
        l.partition,
        l.epoch,
        row_number() OVER (
            PARTITION BY e.segment_key, e.person_id ORDER BY e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch
        ) AS arrival
    FROM segments.event AS e
    INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
    INNER JOIN projections.checkpoint AS c ON e.lane_id = c.lane_id AND e.kafka_offset < c.next_offset
    WHERE
        c.projection = 'membership'
        AND c.slot = (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership')
) AS a
WINDOW
    in_order AS (
        PARTITION BY a.segment_key, a.person_id
        ORDER BY a.status_change_timestamp, a.received_at, a.topic, a.partition, a.kafka_offset, a.epoch
        ROWS UNBOUNDED PRECEDING
    ),
    backwards AS (
        PARTITION BY a.segment_key, a.person_id
        ORDER BY
            a.status_change_timestamp DESC, a.received_at DESC, a.topic DESC, a.partition DESC, a.kafka_offset DESC, a.epoch DESC
        ROWS UNBOUNDED PRECEDING
    );

-- A part of projections.history, for one key: its events between two times, both among them. What is folded is what lies
-- between the kept states around them, and all of a key that has none. state: without last_recorded_at.
CREATE FUNCTION projections.history_between(
    wanted_segment_key integer, wanted_person_id bigint, first_at timestamptz, last_at timestamptz
) RETURNS TABLE (lane_id integer, kafka_offset bigint, place bigint, state segments.key_state, outcome text)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    serving smallint := (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership');
    begins record;
    ends record;
    last record;
BEGIN
    SELECT k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch, k.state INTO begins
    FROM projections.kept_state AS k INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
    WHERE k.slot = serving AND k.segment_key = wanted_segment_key AND k.person_id = wanted_person_id
      AND k.status_change_timestamp < first_at
    ORDER BY k.status_change_timestamp DESC, k.received_at DESC, l.topic DESC, l.partition DESC, k.kafka_offset DESC,
        l.epoch DESC
    LIMIT 1;
    SELECT k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch INTO ends
    FROM projections.kept_state AS k INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
    WHERE k.slot = serving AND k.segment_key = wanted_segment_key AND k.person_id = wanted_person_id
      AND k.status_change_timestamp > last_at
    ORDER BY k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch
    LIMIT 1;
    SELECT k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch INTO last
    FROM projections.kept_state AS k INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
    WHERE k.slot = serving AND k.segment_key = wanted_segment_key AND k.person_id = wanted_person_id
      AND ends.topic IS NOT NULL
    ORDER BY k.status_change_timestamp DESC, k.received_at DESC, l.topic DESC, l.partition DESC, k.kafka_offset DESC,
        l.epoch DESC
    LIMIT 1;
    RETURN QUERY
    WITH logged AS MATERIALIZED (
        SELECT e.*, l.topic, l.partition, l.epoch,
            last.topic IS NOT NULL
            AND (e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch)
            > (ends.status_change_timestamp, ends.received_at, ends.topic, ends.partition, ends.kafka_offset, ends.epoch)
                AS is_beyond
        FROM (
            SELECT f.user_status, f.status_change_timestamp, f.received_at, f.recorded_at, f.lane_id, f.kafka_offset,
                f.expires_at, f.expired_lane_id, f.expired_offset
            FROM segments.event AS f
            WHERE f.person_id = wanted_person_id AND f.segment_key = wanted_segment_key
              AND f.status_change_timestamp >= coalesce(begins.status_change_timestamp, '-infinity')
              AND f.status_change_timestamp <= coalesce(ends.status_change_timestamp, 'infinity')
            UNION
            -- What comes after the last kept state tells what was superseded, too.
            SELECT f.user_status, f.status_change_timestamp, f.received_at, f.recorded_at, f.lane_id, f.kafka_offset,
                f.expires_at, f.expired_lane_id, f.expired_offset
            FROM segments.event AS f
            WHERE f.person_id = wanted_person_id AND f.segment_key = wanted_segment_key
              AND f.status_change_timestamp >= last.status_change_timestamp
        ) AS e
        INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
        INNER JOIN projections.checkpoint AS c
            ON c.projection = 'membership' AND c.slot = serving AND e.lane_id = c.lane_id
        WHERE e.kafka_offset < c.next_offset
          AND (begins.topic IS NULL
            OR (e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch)
            > (begins.status_change_timestamp, begins.received_at, begins.topic, begins.partition, begins.kafka_offset,
                begins.epoch))
    ), beyond AS (
        SELECT b.* FROM (
            SELECT g.received_at, g.topic, g.partition, g.kafka_offset, g.epoch FROM logged AS g
            WHERE g.is_beyond AND g.user_status <= 2
            UNION ALL
            SELECT k.arrived_at, a.topic, a.partition, k.arrived_offset, a.epoch
            FROM projections.kept_state AS k
            INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
            INNER JOIN segments.lane AS a ON k.arrived_lane_id = a.lane_id
            WHERE k.slot = serving AND k.segment_key = wanted_segment_key AND k.person_id = wanted_person_id
              AND k.status_change_timestamp >= ends.status_change_timestamp
              AND (k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch)
                > (ends.status_change_timestamp, ends.received_at, ends.topic, ends.partition, ends.kafka_offset, ends.epoch)
        ) AS b
        ORDER BY b.received_at, b.topic, b.partition, b.kafka_offset, b.epoch
        LIMIT 1
    ), arrived AS (
        SELECT s.*, row_number() OVER (ORDER BY s.received_at, s.topic, s.partition, s.kafka_offset, s.epoch) AS arrival
        FROM (
            SELECT g.user_status, g.status_change_timestamp, g.received_at, g.recorded_at, g.lane_id, g.kafka_offset,
                g.expires_at, g.expired_lane_id, g.expired_offset, g.topic, g.partition, g.epoch
            FROM logged AS g WHERE NOT g.is_beyond
            UNION ALL
            SELECT 1::smallint, 'infinity', b.received_at, NULL, NULL, b.kafka_offset, NULL, NULL, NULL, b.topic, b.partition,
                b.epoch
            FROM beyond AS b
        ) AS s
    ), folded AS (
        SELECT a.*,
            segments.fold(
                begins.state, a.user_status, a.status_change_timestamp, a.received_at, a.recorded_at,
                a.lane_id, a.kafka_offset, a.expires_at, a.expired_lane_id, a.expired_offset
            ) OVER in_order AS state,
            row_number() OVER in_order AS place,
            -- As in projections.history.
            a.user_status <> 6
            AND coalesce(min(a.arrival) FILTER (WHERE a.user_status <= 2) OVER backwards < a.arrival, false) AS superseded
        FROM arrived AS a
        WINDOW
            in_order AS (
                ORDER BY a.status_change_timestamp, a.received_at, a.topic, a.partition, a.kafka_offset, a.epoch
                ROWS UNBOUNDED PRECEDING
            ),
            backwards AS (
                ORDER BY
                    a.status_change_timestamp DESC, a.received_at DESC, a.topic DESC, a.partition DESC, a.kafka_offset DESC,
                    a.epoch DESC
                ROWS UNBOUNDED PRECEDING
            )
    )
    SELECT f.lane_id, f.kafka_offset, f.place, f.state,
        CASE -- as in reporting.result
            WHEN f.superseded THEN 'superseded'
            WHEN (f.state).effect & 8 <> 0 THEN 'ineffective'
            WHEN (f.state).effect & 7 = 0 THEN 'no_change'
            ELSE 'applied'
        END
    FROM folded AS f
    WHERE f.status_change_timestamp BETWEEN first_at AND last_at AND f.lane_id IS NOT NULL;
END $$;
