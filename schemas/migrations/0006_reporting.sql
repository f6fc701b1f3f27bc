-- What analysts read. The views are the promise; columns are only ever appended.
CREATE VIEW reporting.segment AS
SELECT network_id, segment_id::bigint AS segment_id, segment_name, description, is_visible, created_at, created_by, archived_at
FROM segments.segment;

CREATE VIEW reporting.segment_history AS
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    r.segment_name,
    r.description,
    r.is_visible,
    r.archived,
    r.changed_at AS valid_from,
    lead(r.changed_at) OVER (PARTITION BY r.segment_key ORDER BY r.version) AS valid_to,
    r.actor
FROM segments.registry_event AS r
INNER JOIN segments.segment AS s ON r.segment_key = s.segment_key;

CREATE VIEW reporting.membership AS
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    s.segment_name,
    p.user_id,
    (k.state).member_since AS since,
    ('{add,block,reset,enter,leave,expire}'::text[])[e.user_status] AS cause,
    ('{add,block}'::text[])[(k.state).override] AS override,
    e.reference_id,
    e.description,
    e.metadata::jsonb AS metadata,
    (k.state).last_recorded_at AS last_recorded_at
FROM projections.membership AS k
INNER JOIN segments.segment AS s ON k.segment_key = s.segment_key
INNER JOIN segments.person AS p ON k.person_id = p.person_id
-- The key is said twice, so that a filter by reference finds its way from the event to the state.
INNER JOIN segments.event AS e
    ON
        (k.state).member_lane_id = e.lane_id
        AND (k.state).member_offset = e.kafka_offset
        AND k.segment_key = e.segment_key
        AND k.person_id = e.person_id
WHERE
    k.slot = (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership')
    AND (k.state).is_member;

CREATE VIEW reporting.override AS
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    s.segment_name,
    p.user_id,
    ('{add,block}'::text[])[(k.state).override] AS override,
    (k.state).is_member AS is_member,
    (k.state).override_since AS since,
    (k.state).expires_at AS expires_at,
    e.reference_id,
    e.description,
    e.metadata::jsonb AS metadata,
    (k.state).last_recorded_at AS last_recorded_at
FROM projections.membership AS k
INNER JOIN segments.segment AS s ON k.segment_key = s.segment_key
INNER JOIN segments.person AS p ON k.person_id = p.person_id
-- The key is said twice, so that a filter by reference finds its way from the event to the state.
INNER JOIN segments.event AS e
    ON
        (k.state).stated_lane_id = e.lane_id
        AND (k.state).stated_offset = e.kafka_offset
        AND k.segment_key = e.segment_key
        AND k.person_id = e.person_id
WHERE
    k.slot = (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership')
    AND (k.state).override > 0;

CREATE VIEW reporting.user_segment AS
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    s.segment_name,
    p.user_id,
    (k.state).is_member AS is_member,
    ('{add,block}'::text[])[(k.state).override] AS override,
    ('{add,block,reset,enter,leave,expire}'::text[])[(k.state).automation_says] AS automation_says,
    (k.state).member_since AS member_since,
    (k.state).override_since AS override_since,
    (k.state).last_change_at AS last_change_at,
    (k.state).last_recorded_at AS last_recorded_at
FROM projections.membership AS k
INNER JOIN segments.segment AS s ON k.segment_key = s.segment_key
INNER JOIN segments.person AS p ON k.person_id = p.person_id
WHERE
    k.slot = (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership')
    AND (k.state).is_member IS NOT NULL;

CREATE VIEW reporting.automation_disagreement AS
SELECT network_id, segment_id, user_id, is_member, automation_says
FROM reporting.user_segment
WHERE override IS NULL AND is_member <> (automation_says = 'enter');

-- From the key to its history to the events, so that a key, a user or a segment is folded once; or, asked by reference,
-- from few events to their keys. The planner takes every key for one of few events and would as gladly go from the key
-- to its events and fold the key for each: + 0 shuts that way, for no index has it.
CREATE VIEW reporting.membership_history AS
SELECT
    segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset) AS event_id,
    s.network_id,
    s.segment_id::bigint AS segment_id,
    p.user_id,
    e.status_change_timestamp AS valid_from,
    h.valid_to,
    h.valid_to IS NULL AS is_current,
    (h.state).is_member AS is_member,
    ('{add,block}'::text[])[(h.state).override] AS override,
    ('{add,block,reset,enter,leave,expire}'::text[])[e.user_status] AS cause,
    e.reference_id,
    (k.state).last_recorded_at AS last_recorded_at
FROM projections.membership AS k
INNER JOIN segments.segment AS s ON k.segment_key = s.segment_key
INNER JOIN segments.person AS p ON k.person_id = p.person_id
INNER JOIN segments.event AS e
    ON k.person_id = e.person_id + 0 AND nullif(k.segment_key = e.segment_key, false) IS NOT NULL
INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
INNER JOIN LATERAL (
    SELECT
        f.lane_id,
        f.kafka_offset,
        f.state,
        lead(f.status_change_timestamp) OVER (ORDER BY f.place) AS valid_to
    FROM projections.history AS f
    WHERE f.segment_key = k.segment_key AND f.person_id = k.person_id AND (f.state).effect & 3 <> 0
    OFFSET 0
) AS h ON e.lane_id = h.lane_id AND e.kafka_offset = h.kafka_offset
WHERE k.slot = (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership');

CREATE VIEW reporting.event AS
SELECT
    segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset) AS event_id,
    s.network_id,
    s.segment_id::bigint AS segment_id,
    p.user_id,
    coalesce(e.user_sent, p.user_id) AS user_sent,
    ('{add,block,reset,enter,leave,expire}'::text[])[e.user_status] AS user_status,
    e.status_change_timestamp,
    e.discriminator = '' AS time_given,
    e.reference_id,
    e.expires_at,
    e.received_at,
    e.recorded_at,
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    e.kafka_offset,
    coalesce(e.source, 'kafka') AS source,
    e.actor,
    e.metadata::jsonb AS metadata,
    e.description
FROM segments.event AS e
INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
INNER JOIN segments.person AS p ON e.person_id = p.person_id;

CREATE VIEW reporting.rejected AS
SELECT
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    r.kafka_offset,
    r.received_at,
    r.recorded_at,
    r.reason,
    r.detail,
    r.network_id,
    r.reference_id,
    r.payload,
    r.payload_text,
    (SELECT max(t.retried_at) FROM segments.retry AS t WHERE t.lane_id = r.lane_id AND t.kafka_offset = r.kafka_offset)
        AS retried_at,
    r.next_offset
FROM segments.rejected AS r
INNER JOIN segments.lane AS l ON r.lane_id = l.lane_id;

CREATE VIEW reporting.duplicate AS
SELECT
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    d.kafka_offset,
    d.received_at,
    d.recorded_at,
    segments.event_id(o.topic, o.partition, o.epoch, d.of_offset) AS duplicate_of_event_id
FROM segments.duplicate AS d
INNER JOIN segments.lane AS l ON d.lane_id = l.lane_id
INNER JOIN segments.lane AS o ON d.of_lane_id = o.lane_id;

CREATE VIEW reporting.hole AS
SELECT
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    h.first_offset,
    h.next_offset,
    h.cause,
    h.recorded_at
FROM segments.hole AS h
INNER JOIN segments.lane AS l ON h.lane_id = l.lane_id;

CREATE VIEW reporting.result AS
SELECT
    s.network_id,
    e.reference_id,
    s.segment_id::bigint AS segment_id,
    p.user_id,
    ('{add,block,reset,enter,leave,expire}'::text[])[e.user_status] AS user_status,
    CASE
        WHEN h.superseded THEN 'superseded'
        WHEN (h.state).effect & 8 <> 0 THEN 'ineffective'
        WHEN (h.state).effect & 7 = 0 THEN 'no_change'
        ELSE 'applied'
    END AS outcome,
    NULL::text AS reason,
    (h.state).effect & 1 <> 0 AS changed_membership,
    (h.state).effect & 2 <> 0 AS changed_override,
    e.status_change_timestamp,
    e.received_at,
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    e.kafka_offset,
    segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset) AS event_id
-- As in membership_history.
FROM projections.membership AS k
INNER JOIN segments.segment AS s ON k.segment_key = s.segment_key
INNER JOIN segments.person AS p ON k.person_id = p.person_id
INNER JOIN segments.event AS e
    ON k.person_id = e.person_id + 0 AND nullif(k.segment_key = e.segment_key, false) IS NOT NULL
INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
INNER JOIN LATERAL (
    SELECT f.lane_id, f.kafka_offset, f.state, f.superseded
    FROM projections.history AS f
    WHERE f.segment_key = k.segment_key AND f.person_id = k.person_id
    OFFSET 0
) AS h ON e.lane_id = h.lane_id AND e.kafka_offset = h.kafka_offset
WHERE k.slot = (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership')
UNION ALL
SELECT
    s.network_id,
    e.reference_id,
    s.segment_id::bigint,
    p.user_id,
    ('{add,block,reset,enter,leave,expire}'::text[])[e.user_status],
    'queued',
    NULL,
    NULL,
    NULL,
    e.status_change_timestamp,
    e.received_at,
    l.topic,
    l.partition,
    l.epoch,
    e.kafka_offset,
    segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset)
FROM segments.lane AS l
LEFT JOIN projections.checkpoint AS c
    ON
        l.lane_id = c.lane_id
        AND c.projection = 'membership'
        AND c.slot = (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership')
INNER JOIN segments.event AS e ON l.lane_id = e.lane_id AND coalesce(c.next_offset, l.first_offset) <= e.kafka_offset
INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
INNER JOIN segments.person AS p ON e.person_id = p.person_id
UNION ALL
SELECT
    s.network_id,
    e.reference_id,
    s.segment_id::bigint,
    p.user_id,
    ('{add,block,reset,enter,leave,expire}'::text[])[e.user_status],
    'duplicate',
    NULL,
    false,
    false,
    e.status_change_timestamp,
    d.received_at,
    l.topic,
    l.partition,
    l.epoch,
    d.kafka_offset,
    segments.event_id(o.topic, o.partition, o.epoch, e.kafka_offset)
FROM segments.duplicate AS d
INNER JOIN segments.lane AS l ON d.lane_id = l.lane_id
INNER JOIN segments.lane AS o ON d.of_lane_id = o.lane_id
INNER JOIN segments.event AS e ON d.of_lane_id = e.lane_id AND d.of_offset = e.kafka_offset
INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
INNER JOIN segments.person AS p ON e.person_id = p.person_id
UNION ALL
SELECT
    r.network_id,
    r.reference_id,
    r.segment_id,
    p.user_id,
    r.user_status,
    'rejected',
    r.reason,
    NULL,
    NULL,
    r.status_change_timestamp,
    r.received_at,
    l.topic,
    l.partition,
    l.epoch,
    r.kafka_offset,
    NULL
FROM segments.rejected AS r
INNER JOIN segments.lane AS l ON r.lane_id = l.lane_id
LEFT JOIN segments.person AS p ON r.person_id = p.person_id;

CREATE VIEW reporting.segment_size AS
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    s.segment_name,
    coalesce(sum(z.members), 0)::bigint AS members,
    coalesce(sum(z.added), 0)::bigint AS added,
    coalesce(sum(z.blocked), 0)::bigint AS blocked
FROM segments.segment AS s
LEFT JOIN projections.size AS z
    ON
        s.segment_key = z.segment_key
        AND z.slot = (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership')
GROUP BY s.segment_key, s.network_id, s.segment_id, s.segment_name;

CREATE VIEW reporting.segment_size_daily AS
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    s.segment_name,
    d.day,
    sum(d.joined - d.departed) OVER (PARTITION BY d.segment_key ORDER BY d.day)::bigint AS members,
    d.joined AS members_joined,
    d.departed AS members_left,
    d.restated_at
FROM (
    SELECT
        z.segment_key,
        z.day,
        sum(z.joined)::bigint AS joined,
        sum(z.departed)::bigint AS departed,
        max(z.restated_at) AS restated_at
    FROM projections.size_daily AS z
    WHERE z.slot = (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership')
    GROUP BY z.segment_key, z.day
) AS d
INNER JOIN segments.segment AS s ON d.segment_key = s.segment_key
WHERE d.joined > 0 OR d.departed > 0;

-- A closed epoch is not stopped. Why one stood still before it was adopted stays in segments.lane_event.
CREATE VIEW reporting.lane AS
SELECT
    topic AS kafka_topic, partition AS kafka_partition, epoch AS kafka_epoch,
    first_offset, next_offset, events, duplicates, rejected, holes,
    CASE WHEN NOT closed THEN stopped_because END AS stopped_because
FROM segments.lane;

CREATE VIEW reporting.freshness AS
SELECT
    g.projection,
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    l.end_offset AS kafka_end_offset,
    l.end_seen_at AS kafka_end_seen_at,
    l.next_offset AS log_offset,
    coalesce(c.next_offset, l.first_offset) AS projected_offset,
    CASE WHEN l.closed THEN 0 ELSE greatest(l.end_offset - l.next_offset, 0) END AS ingest_behind,
    l.next_offset - coalesce(c.next_offset, l.first_offset) AS projection_behind
FROM segments.lane AS l
CROSS JOIN projections.generation AS g
LEFT JOIN projections.checkpoint AS c ON l.lane_id = c.lane_id AND g.projection = c.projection AND g.slot = c.slot;

CREATE VIEW reporting.watermark AS
SELECT
    -- A closed lane counts until it is folded. Null: not known of some lane yet.
    nullif(
        min(coalesce(c.complete_until, '-infinity')) FILTER (WHERE NOT l.closed OR coalesce(c.next_offset < l.next_offset, true)),
        '-infinity'
    ) AS complete_until,
    -- A closed lane counts until it is folded. Null: not known of some lane yet.
    nullif(
        min(coalesce(c.recorded_until, '-infinity')) FILTER (WHERE NOT l.closed OR coalesce(c.next_offset < l.next_offset, true)),
        '-infinity'
    ) AS recorded_until,
    coalesce((
        SELECT sum(f.ingest_behind) FROM reporting.freshness AS f GROUP BY f.projection ORDER BY 1 DESC LIMIT 1
    ), 0)::bigint AS ingest_behind,
    coalesce((
        SELECT sum(f.projection_behind) FROM reporting.freshness AS f GROUP BY f.projection ORDER BY 1 DESC LIMIT 1
    ), 0)::bigint AS projection_behind,
    coalesce(count(DISTINCT l.lane_id) FILTER (WHERE l.stopped_because IS NOT NULL AND NOT l.closed), 0) AS stopped_lanes
FROM segments.lane AS l
CROSS JOIN projections.generation AS g
LEFT JOIN projections.checkpoint AS c ON l.lane_id = c.lane_id AND g.projection = c.projection AND g.slot = c.slot;

CREATE FUNCTION reporting.normalise_user(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN position('@' IN $1) = 0 THEN $1
        ELSE translate(btrim($1, E' \t\n\r\f\x0b'), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') END
$$;

CREATE TYPE reporting.membership_state AS (
    network_id text, segment_id bigint, user_id text, is_member boolean, override text
);

CREATE FUNCTION reporting.membership_as_of(
    at timestamptz DEFAULT 'infinity', known_at timestamptz DEFAULT 'infinity',
    network_id text DEFAULT NULL, segment_id bigint DEFAULT NULL, user_id text DEFAULT NULL
) RETURNS SETOF reporting.membership_state
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    wanted_segments integer[];
    wanted_people bigint[];
BEGIN
    SELECT array_agg(s.segment_key) INTO wanted_segments FROM segments.segment AS s
    WHERE (membership_as_of.network_id IS NULL OR s.network_id = membership_as_of.network_id)
      AND (membership_as_of.segment_id IS NULL OR s.segment_id = membership_as_of.segment_id);
    IF membership_as_of.user_id IS NOT NULL THEN
        SELECT coalesce(array_agg(p.person_id), '{}') INTO wanted_people FROM segments.person AS p
        WHERE p.user_id IN (membership_as_of.user_id, reporting.normalise_user(membership_as_of.user_id))
          AND (membership_as_of.network_id IS NULL OR p.network_id = membership_as_of.network_id);
    END IF;
    -- EXECUTE plans for the arguments at hand: one person by index, or everybody by a scan.
    RETURN QUERY EXECUTE format($query$
        SELECT s.network_id, s.segment_id::bigint, p.user_id, (k.state).is_member,
               ('{add,block}'::text[])[(k.state).override]
        FROM (
            SELECT e.segment_key, e.person_id, segments.fold(
                NULL, e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at,
                e.lane_id, e.kafka_offset, e.expires_at, e.expired_lane_id, e.expired_offset
                ORDER BY e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch
            ) AS state
            FROM segments.event AS e JOIN segments.lane AS l ON e.lane_id = l.lane_id
            WHERE e.status_change_timestamp <= $1 AND e.recorded_at <= $2 AND e.segment_key = ANY ($3) %s
            GROUP BY e.segment_key, e.person_id
        ) AS k
        JOIN segments.segment AS s ON k.segment_key = s.segment_key
        JOIN segments.person AS p ON k.person_id = p.person_id
        $query$, CASE WHEN wanted_people IS NULL THEN '' ELSE 'AND e.person_id = ANY ($4)' END)
    USING at, known_at, wanted_segments, wanted_people;
END $$;
