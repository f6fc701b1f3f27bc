-- Write the state of a long key after a refold. Parameters: slot, segment_key, person_id, lane_id of the size, state or null if
-- unchanged, the newest recorded_at and received_at of the folded events, the number of events after the last kept state or
-- null if unchanged.
WITH settled AS MATERIALIZED (
    SELECT m.is_member, m.override, projections.as_recorded(
        coalesce($5::text::segments.key_state, projections.state_of(m)), greatest(m.last_recorded_at, $6::timestamptz),
        greatest(m.newest_received_at, $7::timestamptz)
    ) AS state
    FROM projections.membership AS m
    WHERE m.slot = $1 AND m.segment_key = $2 AND m.person_id = $3
), after AS (
    UPDATE projections.membership AS m SET tail = coalesce($8::integer, m.tail), (
        is_member, override, automation_says, effect, member_lane_id, stated_lane_id, member_offset, stated_offset,
        member_since, override_since, expires_at, last_change_at, last_recorded_at, last_timestamp, last_received_at,
        valid_from, from_offset, from_lane_id, from_status, from_effect, newest_received_at
    ) = ROW((s.state).*)
    FROM settled AS s
    WHERE m.slot = $1 AND m.segment_key = $2 AND m.person_id = $3
    RETURNING 1
), sizes AS (
    INSERT INTO projections.size AS z (slot, segment_key, lane_id, members, added, blocked)
    SELECT $1, $2, $4, (s.state).is_member::integer - s.is_member::integer,
        ((s.state).override = 1)::integer - (s.override = 1)::integer,
        ((s.state).override = 2)::integer - (s.override = 2)::integer
    FROM settled AS s
    WHERE ((s.state).is_member, (s.state).override) <> (s.is_member, s.override)
    ON CONFLICT (slot, segment_key, lane_id) DO UPDATE SET
        members = z.members + excluded.members,
        added = z.added + excluded.added,
        blocked = z.blocked + excluded.blocked
)
SELECT count(*) FROM after
