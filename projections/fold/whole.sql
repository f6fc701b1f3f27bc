-- Fold the whole log below a vector of checkpoints into an empty slot, for one share of the people: all keys but those
-- with an override that is to lapse, which whole_by_step folds. Without lapses the rule can be said by running maxima:
-- a number that grows along the key's order, with what an event says in its last digits, gives the last one that spoke.
-- A test holds it equal to segments.fold. Parameters: slot, lane_id[], next_offset[], shares, share.
WITH lanes AS MATERIALIZED (
    SELECT l.lane_id, c.next_offset, rank() OVER (ORDER BY l.topic, l.partition)::integer AS place, l.epoch
    FROM segments.lane AS l
    INNER JOIN unnest($2::integer[], $3::bigint[]) AS c (lane_id, next_offset) ON l.lane_id = c.lane_id
), input AS (
    SELECT e.segment_key, e.person_id, e.status_change_timestamp, e.received_at, e.recorded_at, e.user_status,
        e.lane_id, e.kafka_offset, l.place, l.epoch
    FROM segments.event AS e
    INNER JOIN lanes AS l ON e.lane_id = l.lane_id AND e.kafka_offset < l.next_offset
    -- NOT IN is hashed, however many lapse; a join could become a loop over all pairs.
    WHERE e.person_id % $4 = $5 AND (e.person_id, e.segment_key) NOT IN (
        SELECT x.person_id, x.segment_key FROM segments.event AS x
        WHERE x.expires_at IS NOT NULL OR x.user_status = 6
    )
), numbered AS (
    SELECT i.*, row_number() OVER in_order AS nth, lead(1) OVER in_order IS NULL AS is_last
    FROM input AS i
    WINDOW in_order AS (
        PARTITION BY i.person_id, i.segment_key
        ORDER BY i.status_change_timestamp, i.received_at, i.place, i.kafka_offset, i.epoch
    )
), stated AS (
    -- The last add, block or reset before this event: its number times 4, and the override that it left (0, 1, 2).
    SELECT n.*, coalesce(max(CASE WHEN n.user_status <= 3 THEN n.nth * 4 + n.user_status % 3 END) OVER (
        PARTITION BY n.person_id, n.segment_key
        ORDER BY n.status_change_timestamp, n.received_at, n.place, n.kafka_offset, n.epoch
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) % 4, 0) AS override_before
    FROM numbered AS n
), joined AS (
    -- The last event that decided membership: its number times 2, and whether it left a member.
    SELECT s.*, coalesce(max(CASE
        WHEN s.user_status <= 2 THEN s.nth * 2 + s.user_status % 2
        WHEN s.user_status >= 4 AND s.override_before = 0 THEN s.nth * 2 + (5 - s.user_status)
    END) OVER (
        PARTITION BY s.person_id, s.segment_key
        ORDER BY s.status_change_timestamp, s.received_at, s.place, s.kafka_offset, s.epoch
        ROWS UNBOUNDED PRECEDING
    ) % 2, 0) AS member,
    CASE WHEN s.user_status <= 3 THEN s.user_status % 3 ELSE s.override_before END AS override
    FROM stated AS s
), judged AS MATERIALIZED (
    SELECT j.segment_key, j.person_id, j.status_change_timestamp, j.received_at, j.recorded_at, j.user_status,
        j.lane_id, j.kafka_offset, j.nth, j.is_last, j.member, j.override, j.override <> j.override_before AS overrode,
        j.member <> coalesce(lag(j.member) OVER (
            PARTITION BY j.person_id, j.segment_key
            ORDER BY j.status_change_timestamp, j.received_at, j.place, j.kafka_offset, j.epoch
        ), 0) AS flipped,
        j.user_status >= 4 AND j.override_before > 0 AS ineffective
    FROM joined AS j
), folded AS MATERIALIZED (
    -- Along a key's order times never fall, so the last of some events has the greatest of their times.
    SELECT j.segment_key, j.person_id,
        max(j.member) FILTER (WHERE j.is_last) = 1 AS is_member,
        max(j.override) FILTER (WHERE j.is_last)::smallint AS override,
        (max(j.nth * 8 + j.user_status) FILTER (WHERE j.user_status >= 4) % 8)::smallint AS automation_says,
        max(j.flipped::integer + 2 * j.overrode::integer + 8 * j.ineffective::integer)
            FILTER (WHERE j.is_last)::smallint AS effect,
        max(ARRAY[j.nth, j.lane_id, j.kafka_offset]) FILTER (WHERE j.flipped AND j.member = 1) AS member_event,
        max(ARRAY[j.nth, j.lane_id, j.kafka_offset]) FILTER (WHERE j.user_status <= 2) AS stated_event,
        max(j.status_change_timestamp) FILTER (WHERE j.flipped AND j.member = 1) AS member_since,
        max(j.status_change_timestamp) FILTER (WHERE j.overrode) AS override_since,
        max(j.status_change_timestamp) FILTER (WHERE j.flipped OR j.overrode) AS last_change_at,
        max(j.recorded_at) AS last_recorded_at,
        max(j.status_change_timestamp) AS last_timestamp,
        max(j.received_at) FILTER (WHERE j.is_last) AS last_received_at
    FROM judged AS j GROUP BY j.person_id, j.segment_key
), states AS (
    INSERT INTO projections.membership (slot, segment_key, person_id, state)
    SELECT $1, f.segment_key, f.person_id, ROW(
        f.is_member, f.override, f.automation_says, f.effect,
        CASE WHEN f.is_member THEN f.member_event[2] END,
        CASE WHEN f.override > 0 THEN f.stated_event[2] END,
        CASE WHEN f.is_member THEN f.member_event[3] END,
        CASE WHEN f.override > 0 THEN f.stated_event[3] END,
        CASE WHEN f.is_member THEN f.member_since END,
        CASE WHEN f.override > 0 THEN f.override_since END,
        NULL, f.last_change_at, f.last_recorded_at, f.last_timestamp, f.last_received_at
    )::segments.key_state
    FROM folded AS f
), sizes AS (
    INSERT INTO projections.size AS z (slot, segment_key, lane_id, members, added, blocked)
    SELECT $1, f.segment_key, 0, count(*) FILTER (WHERE f.is_member),
        count(*) FILTER (WHERE f.override = 1), count(*) FILTER (WHERE f.override = 2)
    FROM folded AS f GROUP BY f.segment_key ORDER BY f.segment_key
    ON CONFLICT (slot, segment_key, lane_id) DO UPDATE SET
        members = z.members + excluded.members, added = z.added + excluded.added,
        blocked = z.blocked + excluded.blocked
), days AS (
    INSERT INTO projections.size_daily AS d (slot, segment_key, day, lane_id, joined, departed, restated_at)
    SELECT $1, j.segment_key, (j.status_change_timestamp AT TIME ZONE 'UTC')::date, 0,
        count(*) FILTER (WHERE j.flipped AND j.member = 1), count(*) FILTER (WHERE j.flipped AND j.member = 0),
        max(j.recorded_at)
    FROM judged AS j GROUP BY 2, 3 ORDER BY 2, 3
    ON CONFLICT (slot, segment_key, day, lane_id) DO UPDATE SET
        joined = d.joined + excluded.joined, departed = d.departed + excluded.departed,
        restated_at = greatest(d.restated_at, excluded.restated_at)
)
SELECT count(*) FROM judged
