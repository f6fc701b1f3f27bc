-- History and results of a key from one fold of it, however many of its events are asked for.

-- The log below the checkpoints of the serving slot, in each key's order, with the state after each event, and whether it
-- was superseded: an add or block of the key is later in the fold's order and came earlier; an expire never is. Going
-- backwards through the order, that is an arrival lower than its own. What nobody asks for costs nothing.
CREATE OR REPLACE VIEW projections.history AS
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

-- From the key to its history to the events, so that a key, a user or a segment is folded once; or, asked by reference,
-- from few events to their keys. The planner takes every key for one of few events and would as gladly go from the key
-- to its events and fold the key for each: + 0 shuts that way, for no index has it.
CREATE OR REPLACE VIEW reporting.membership_history AS
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

CREATE OR REPLACE VIEW reporting.result AS
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
