-- The keys of one segment in the order of their people, so many after a given one: member or not, and why.
-- Asked for a moment, the state is folded from the log, for these people alone; else it is the one that is kept.
-- The fences keep a look-up a look-up, however many rows the planner expects.
-- Parameters: $1 segment_key, $2 person_id to come after, $3 how many, $4 happened until and $5 recorded until, or null.
SELECT
    k.person_id,
    (k.state).is_member AS is_member,
    p.user_id,
    (k.state).member_since AS since,
    ('{add,block,reset,enter,leave,expire}'::text[])[e.user_status] AS cause,
    ('{add,block}'::text[])[(k.state).override] AS override,
    e.reference_id,
    e.description,
    e.metadata,
    (k.state).last_recorded_at AS last_recorded_at
FROM (
    SELECT
        m.person_id,
        CASE
            WHEN $4::timestamptz IS NULL AND $5::timestamptz IS NULL THEN m.state
            ELSE (
                SELECT
                    segments.fold(
                        NULL, f.user_status, f.status_change_timestamp, f.received_at, f.recorded_at,
                        f.lane_id, f.kafka_offset, f.expires_at, f.expired_lane_id, f.expired_offset
                        ORDER BY f.status_change_timestamp, f.received_at, l.topic, l.partition, f.kafka_offset, l.epoch
                    )
                FROM segments.event AS f
                INNER JOIN segments.lane AS l ON f.lane_id = l.lane_id
                WHERE
                    f.person_id = m.person_id
                    AND f.segment_key = $1
                    AND f.status_change_timestamp <= coalesce($4, 'infinity')
                    AND f.recorded_at <= coalesce($5, 'infinity')
            )
        END AS state
    FROM projections.membership AS m
    WHERE
        m.slot = (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership')
        AND m.segment_key = $1
        AND m.person_id > $2
    ORDER BY m.person_id
    LIMIT $3::integer
) AS k
LEFT JOIN LATERAL (
    SELECT q.user_id FROM segments.person AS q WHERE q.person_id = k.person_id AND (k.state).is_member
    OFFSET 0
) AS p ON true
LEFT JOIN LATERAL (
    SELECT x.user_status, x.reference_id, x.description, x.metadata FROM segments.event AS x
    WHERE x.lane_id = (k.state).member_lane_id AND x.kafka_offset = (k.state).member_offset
    OFFSET 0
) AS e ON true
ORDER BY k.person_id
