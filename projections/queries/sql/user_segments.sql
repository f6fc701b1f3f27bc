-- The keys of one user, by segment: state, since when, and the cause.
-- Without a moment the state is the stored one. For a past moment it is folded from what is projected, and from the log with
-- another time until which it was recorded. For a snapshot it is the stored one where none of the key's events came later, else
-- it is folded from the log below the snapshot's positions.
-- The cause is the event that began the membership; for a blocked user the one that last stated the block.
-- Parameters: $1 network_id, $2 user_id, $3 segment_id or null, $4 happened until and $5 recorded until, or null,
-- of a snapshot $6 lane_ids, $7 positions and $8 unmoved_before, or null, $9 segment_id to continue after.
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    s.segment_name,
    k.user_id,
    (k.state).is_member AS is_member,
    segments.status_word((k.state).override) AS override,
    segments.status_word((k.state).automation_says) AS automation_says,
    (k.state).member_since AS member_since,
    (k.state).override_since AS override_since,
    (k.state).expires_at AS expires_at,
    (k.state).last_change_at AS last_change_at,
    (k.state).last_recorded_at AS last_recorded_at,
    CASE WHEN (k.state).is_member THEN (k.state).member_since ELSE (k.state).override_since END AS since,
    segments.status_word(w.user_status) AS cause,
    w.reference_id,
    w.description,
    w.metadata,
    (
        SELECT segments.event_id(l.topic, l.partition, l.epoch, w.kafka_offset) FROM segments.lane AS l WHERE l.lane_id = w.lane_id
    ) AS event_id,
    CASE WHEN w.lane_id IS NOT NULL THEN coalesce(w.source, 'kafka') END AS source,
    w.actor,
    o.reference_id AS override_reference_id,
    o.description AS override_description,
    o.metadata AS override_metadata,
    (
        SELECT segments.event_id(l.topic, l.partition, l.epoch, o.kafka_offset) FROM segments.lane AS l WHERE l.lane_id = o.lane_id
    ) AS override_event_id,
    CASE WHEN o.lane_id IS NOT NULL THEN coalesce(o.source, 'kafka') END AS override_source,
    o.actor AS override_actor
FROM (
    SELECT
        m.segment_key,
        p.user_id,
        CASE
            WHEN $4::timestamptz IS NULL AND $5::timestamptz IS NULL AND $6::integer[] IS NULL THEN m.state
            WHEN (m.state).last_recorded_at < $8::timestamptz AND (m.state).last_timestamp <= coalesce($4, 'infinity') THEN m.state
            WHEN $5 IS NULL AND $6 IS NULL THEN CASE
                WHEN (m.state).last_timestamp <= $4 THEN m.state
                ELSE (SELECT f.state FROM projections.state_at(m.segment_key, m.person_id, $4) AS f)
            END
            WHEN $6 IS NOT NULL THEN (
                SELECT f.state FROM segments.state_at_positions(m.segment_key, m.person_id, coalesce($4, 'infinity'), $6, $7::bigint[]) AS f
            )
            ELSE (
                SELECT f.state
                FROM segments.state_at_times(m.segment_key, m.person_id, coalesce($4, 'infinity'), $5) AS f
            )
        END AS state
    FROM segments.person AS p
    CROSS JOIN LATERAL (
        SELECT n.segment_key, n.person_id, n.state FROM projections.serving_membership AS n
        WHERE
            n.person_id = p.person_id
        OFFSET 0
    ) AS m
    WHERE p.user_id = $2 AND p.network_id = $1
    OFFSET 0
) AS k
INNER JOIN segments.segment AS s ON k.segment_key = s.segment_key
LEFT JOIN LATERAL (
    SELECT x.lane_id, x.kafka_offset, x.user_status, x.reference_id, x.description, x.metadata, x.source, x.actor
    FROM segments.event AS x
    WHERE
        x.lane_id = CASE WHEN (k.state).is_member THEN (k.state).member_lane_id ELSE (k.state).stated_lane_id END
        AND x.kafka_offset = CASE WHEN (k.state).is_member THEN (k.state).member_offset ELSE (k.state).stated_offset END
    OFFSET 0
) AS w ON true
LEFT JOIN LATERAL (
    SELECT x.lane_id, x.kafka_offset, x.reference_id, x.description, x.metadata, x.source, x.actor FROM segments.event AS x
    WHERE x.lane_id = (k.state).stated_lane_id AND x.kafka_offset = (k.state).stated_offset
    OFFSET 0
) AS o ON true
WHERE (k.state).is_member IS NOT NULL AND ($3::integer IS NULL OR s.segment_id = $3) AND s.segment_id > $9::integer
ORDER BY s.segment_id
