-- Claim the overdue expiries of one page that are not claimed or published yet. A published expiry is claimed again only
-- once the workers have passed its record. The last row of the page is returned even if not claimed, to continue after.
-- Parameters: $1 slot; $2 expires_at, $3 segment_key, $4 person_id to continue after; $5 limit, $6 seconds.
WITH due AS MATERIALIZED (
    SELECT m.segment_key, m.person_id, m.expires_at, m.stated_lane_id AS lane_id,
        m.stated_offset AS kafka_offset
    FROM projections.membership AS m
    WHERE m.slot = $1 AND m.expires_at <= now() AND (m.expires_at, m.segment_key, m.person_id) > ($2, $3, $4)
    ORDER BY m.expires_at, m.segment_key, m.person_id LIMIT $5
), claimed AS (
    INSERT INTO projections.expiry AS x (segment_key, person_id, stated_lane_id, stated_offset, again_at)
    SELECT d.segment_key, d.person_id, d.lane_id, d.kafka_offset, now() + make_interval(secs => $6)
    FROM due AS d
    WHERE NOT EXISTS (
        SELECT FROM projections.expiry AS y
        WHERE y.segment_key = d.segment_key AND y.person_id = d.person_id
            AND y.stated_lane_id = d.lane_id AND y.stated_offset = d.kafka_offset
            AND (y.again_at > now() OR EXISTS (
                SELECT FROM segments.lane AS l
                LEFT JOIN projections.checkpoint AS c
                    ON c.projection = 'membership' AND c.slot = $1 AND c.lane_id = l.lane_id
                WHERE l.topic = y.topic AND l.partition = y.partition AND l.epoch = y.epoch AND NOT l.closed
                    AND coalesce(c.next_offset, l.first_offset) <= y.kafka_offset
            ))
    )
    ORDER BY d.segment_key, d.person_id
    ON CONFLICT (segment_key, person_id) DO UPDATE SET
        stated_lane_id = excluded.stated_lane_id, stated_offset = excluded.stated_offset, again_at = excluded.again_at,
        times = CASE WHEN (x.stated_lane_id, x.stated_offset) = (excluded.stated_lane_id, excluded.stated_offset)
            THEN x.times ELSE 0 END,
        topic = NULL
    WHERE x.again_at <= now()
        OR (x.stated_lane_id, x.stated_offset) <> (excluded.stated_lane_id, excluded.stated_offset)
    RETURNING segment_key, person_id
)
SELECT d.segment_key, d.person_id, d.expires_at, c.person_id IS NOT NULL AS ours, d.page,
    s.network_id, s.segment_id, p.user_id, l.topic, l.partition, l.epoch, d.kafka_offset,
    segments.incarnation() AS incarnation,
    segments.event_id(l.topic, l.partition, l.epoch, d.kafka_offset)::text AS event_id
FROM (
    SELECT *, count(*) OVER () AS page, row_number() OVER (ORDER BY expires_at, segment_key, person_id) AS place
    FROM due
) AS d
LEFT JOIN claimed AS c ON d.segment_key = c.segment_key AND d.person_id = c.person_id
INNER JOIN segments.segment AS s ON s.segment_key = d.segment_key
INNER JOIN segments.person AS p ON p.person_id = d.person_id
INNER JOIN segments.lane AS l ON l.lane_id = d.lane_id
WHERE c.person_id IS NOT NULL OR d.place = d.page
ORDER BY d.place
