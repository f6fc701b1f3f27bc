-- The keys of one segment by person_id: member or not, and the cause.
-- For what was recorded until a moment the state is folded from the log, for these people only; else it is the stored one. For
-- a snapshot it is the stored one where none of the key's events came later, else it is folded from the log below the
-- snapshot's positions.
-- OFFSET 0 forces index look-ups, whatever number of rows the planner expects.
-- Parameters: $1 segment_key, $2 person_id to continue after, $3 limit, $4 happened until and $5 recorded until, or null;
-- of a snapshot $6 lane_ids, $7 positions and $8 unmoved_before, or null.
SELECT
    k.person_id,
    (k.state).is_member AS is_member,
    p.user_id,
    (k.state).member_since AS since,
    segments.status_word(e.user_status) AS cause,
    segments.status_word((k.state).override) AS override,
    e.reference_id,
    e.description,
    e.metadata,
    (k.state).last_recorded_at AS last_recorded_at,
    (
        SELECT segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset) FROM segments.lane AS l WHERE l.lane_id = e.lane_id
    ) AS event_id,
    coalesce(e.source, 'kafka') AS source,
    e.actor
FROM (
    SELECT
        m.person_id,
        CASE
            WHEN $4::timestamptz IS NULL AND $5::timestamptz IS NULL AND $6::integer[] IS NULL THEN m.state
            WHEN (m.state).last_recorded_at < $8::timestamptz AND (m.state).last_timestamp <= coalesce($4, 'infinity') THEN m.state
            WHEN $6 IS NOT NULL THEN (
                SELECT f.state FROM segments.state_at_positions($1, m.person_id, coalesce($4, 'infinity'), $6, $7::bigint[]) AS f
            )
            ELSE (
                SELECT f.state
                FROM segments.state_at_times($1, m.person_id, coalesce($4, 'infinity'), $5) AS f
            )
        END AS state
    FROM projections.serving_membership AS m
    WHERE
        m.segment_key = $1
        AND m.person_id > $2
    ORDER BY m.person_id
    LIMIT $3::integer
) AS k
LEFT JOIN LATERAL (
    SELECT q.user_id FROM segments.person AS q WHERE q.person_id = k.person_id AND (k.state).is_member
    OFFSET 0
) AS p ON true
LEFT JOIN LATERAL (
    SELECT x.lane_id, x.kafka_offset, x.user_status, x.reference_id, x.description, x.metadata, x.source, x.actor
    FROM segments.event AS x
    WHERE x.lane_id = (k.state).member_lane_id AND x.kafka_offset = (k.state).member_offset
    OFFSET 0
) AS e ON true
ORDER BY k.person_id
