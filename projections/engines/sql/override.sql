-- View override: the standing overrides, and the event that last stated each.
SELECT
    s.network_id,
    s.segment_id,
    r.segment_name,
    s.user_id,
    s.override_now AS override,
    s.override_now = 'add' AS is_member,
    s.override_since AS since,
    s.expires_at,
    s.reference_id,
    e.description,
    e.metadata,
    s.last_recorded_at,
    s.event_id,
    e.source,
    e.actor
FROM step AS s
INNER JOIN event AS e ON s.event_id = e.event_id
INNER JOIN registry AS r ON s.network_id = r.network_id AND s.segment_id = r.segment_id AND r.valid_to IS NULL
WHERE s.is_last_statement AND s.override_now IS NOT NULL
