-- View membership: the current members, and the event that began each membership.
SELECT
    s.network_id,
    s.segment_id,
    r.segment_name,
    s.user_id,
    s.status_change_timestamp AS since,
    s.user_status AS cause,
    s.override_now AS override,
    s.reference_id,
    e.description,
    e.metadata,
    s.last_recorded_at,
    s.event_id,
    e.source,
    e.actor
FROM (
    SELECT
        *,
        row_number() OVER (PARTITION BY network_id, segment_id, user_id ORDER BY place DESC) AS place_from_end
    FROM step
    WHERE changed_membership
) AS s
INNER JOIN event AS e ON s.event_id = e.event_id
INNER JOIN registry AS r ON s.network_id = r.network_id AND s.segment_id = r.segment_id AND r.valid_to IS NULL
WHERE s.place_from_end = 1 AND s.is_member
