-- Members of one segment in ascending or descending order of since, with the cause. One of the two arrays is empty.
-- OFFSET 0 forces index look-ups, whatever number of rows the planner expects.
-- Parameters: $1 segment_key, $2 limit, $3 descending or not; $4 since and $5 person_id of the member to
-- continue after; since is null at the start; $6 network_id and $7 segment_id.
SELECT
    k.person_id,
    p.user_id,
    (m.state).member_since AS since,
    segments.status_word(e.user_status) AS cause,
    segments.status_word((m.state).override) AS override,
    e.reference_id,
    e.description,
    e.metadata,
    (m.state).last_recorded_at AS last_recorded_at,
    (
        SELECT segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset) FROM segments.lane AS l WHERE l.lane_id = e.lane_id
    ) AS event_id,
    coalesce(e.source, 'kafka') AS source,
    e.actor
FROM unnest(
    ARRAY(
        SELECT o.person_id FROM projections.serving_membership AS o
        WHERE
            NOT $3::boolean AND o.network_id = $6::text AND o.segment_id = $7::bigint AND o.is_member
            AND (o.member_since, o.person_id) > (coalesce($4::timestamptz, '-infinity'), $5::bigint)
        ORDER BY o.member_since, o.person_id
        LIMIT $2::integer
    ) || ARRAY(
        SELECT n.person_id FROM projections.serving_membership AS n
        WHERE
            $3 AND n.network_id = $6 AND n.segment_id = $7 AND n.is_member
            AND (n.member_since, n.person_id) < (coalesce($4, 'infinity'), $5)
        ORDER BY n.member_since DESC, n.person_id DESC
        LIMIT $2
    )
) WITH ORDINALITY AS k (person_id, nth)
CROSS JOIN LATERAL (
    SELECT s.state FROM projections.serving_membership AS s WHERE s.segment_key = $1 AND s.person_id = k.person_id
    OFFSET 0
) AS m
CROSS JOIN LATERAL (
    SELECT q.user_id FROM segments.person AS q WHERE q.person_id = k.person_id
    OFFSET 0
) AS p
CROSS JOIN LATERAL (
    SELECT x.lane_id, x.kafka_offset, x.user_status, x.reference_id, x.description, x.metadata, x.source, x.actor
    FROM segments.event AS x
    WHERE x.lane_id = (m.state).member_lane_id AND x.kafka_offset = (m.state).member_offset
    OFFSET 0
) AS e
ORDER BY k.nth
