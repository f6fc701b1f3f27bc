-- As whole, for the keys with an override that is or was to lapse: event by event, by segments.fold.
-- Parameters: slot, lane_id[], next_offset[], shares, share.
WITH folded AS MATERIALIZED (
    SELECT w.segment_key, w.person_id, w.lane_id, w.day, w.recorded_at,
        (w.state).effect & 1 <> 0 AS flipped, (w.state).is_member AS is_member,
        CASE WHEN w.is_last THEN w.state END AS state, w.is_last
    FROM (
        SELECT e.segment_key, e.person_id, e.lane_id, e.recorded_at,
            (e.status_change_timestamp AT TIME ZONE 'UTC')::date AS day,
            segments.fold(
                NULL::segments.key_state, e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at,
                e.lane_id, e.kafka_offset, e.expires_at, e.expired_lane_id, e.expired_offset
            ) OVER in_order AS state,
            lead(1) OVER in_order IS NULL AS is_last
        FROM segments.event AS e
        INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
        INNER JOIN unnest($2::integer[], $3::bigint[]) AS c (lane_id, next_offset)
            ON e.lane_id = c.lane_id AND e.kafka_offset < c.next_offset
        WHERE e.person_id % $4 = $5 AND (e.person_id, e.segment_key) IN (
            SELECT x.person_id, x.segment_key FROM segments.event AS x
            WHERE x.expires_at IS NOT NULL OR x.user_status = 6
        ) IS TRUE -- so that it is hashed, and not a join
        WINDOW in_order AS (
            PARTITION BY e.segment_key, e.person_id
            ORDER BY e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch
            ROWS UNBOUNDED PRECEDING
        )
    ) AS w
), states AS (
    INSERT INTO projections.membership (slot, segment_key, person_id, state)
    SELECT $1, f.segment_key, f.person_id, f.state FROM folded AS f WHERE f.is_last
), sizes AS (
    INSERT INTO projections.size AS z (slot, segment_key, lane_id, members, added, blocked)
    SELECT $1, f.segment_key, 0, count(*) FILTER (WHERE (f.state).is_member),
        count(*) FILTER (WHERE (f.state).override = 1), count(*) FILTER (WHERE (f.state).override = 2)
    FROM folded AS f WHERE f.is_last GROUP BY f.segment_key ORDER BY f.segment_key
    ON CONFLICT (slot, segment_key, lane_id) DO UPDATE SET
        members = z.members + excluded.members, added = z.added + excluded.added,
        blocked = z.blocked + excluded.blocked
), days AS (
    INSERT INTO projections.size_daily AS d (slot, segment_key, day, lane_id, joined, departed, restated_at)
    SELECT $1, f.segment_key, f.day, 0, count(*) FILTER (WHERE f.flipped AND f.is_member),
        count(*) FILTER (WHERE f.flipped AND NOT f.is_member), max(f.recorded_at)
    FROM folded AS f GROUP BY f.segment_key, f.day ORDER BY f.segment_key, f.day
    ON CONFLICT (slot, segment_key, day, lane_id) DO UPDATE SET
        joined = d.joined + excluded.joined, departed = d.departed + excluded.departed,
        restated_at = greatest(d.restated_at, excluded.restated_at)
)
SELECT count(*) FROM folded
