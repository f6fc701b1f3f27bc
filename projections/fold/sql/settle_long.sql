-- State what a long key came to. Parameters: slot, segment_key, person_id, lane_id for its size, state or null where it
-- stayed as it was, the newest recorded_at and received_at of what was folded, events after its last kept state or null
-- where they are as many as before.
WITH before AS MATERIALIZED (
    SELECT m.state FROM projections.membership AS m WHERE m.slot = $1 AND m.segment_key = $2 AND m.person_id = $3
), after AS (
    UPDATE projections.membership AS m SET
        state = projections.as_recorded(
            coalesce($5::text::segments.key_state, m.state), greatest((m.state).last_recorded_at, $6::timestamptz),
            greatest((m.state).newest_received_at, $7::timestamptz)
        ),
        tail = coalesce($8::integer, m.tail)
    WHERE m.slot = $1 AND m.segment_key = $2 AND m.person_id = $3
    RETURNING m.state
), sizes AS (
    INSERT INTO projections.size AS z (slot, segment_key, lane_id, members, added, blocked)
    SELECT $1, $2, $4, (a.state).is_member::integer - (b.state).is_member::integer,
        ((a.state).override = 1)::integer - ((b.state).override = 1)::integer,
        ((a.state).override = 2)::integer - ((b.state).override = 2)::integer
    FROM after AS a CROSS JOIN before AS b
    WHERE ((a.state).is_member, (a.state).override) <> ((b.state).is_member, (b.state).override)
    ON CONFLICT (slot, segment_key, lane_id) DO UPDATE SET
        members = z.members + excluded.members,
        added = z.added + excluded.added,
        blocked = z.blocked + excluded.blocked
)
SELECT count(*) FROM after
