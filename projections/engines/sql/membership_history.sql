-- View membership_history: each state (is_member, override) with its interval; duration in microseconds.
SELECT
    event_id,
    network_id,
    segment_id,
    user_id,
    valid_from,
    valid_to,
    valid_to IS NULL AS is_current,
    is_member,
    override,
    cause,
    reference_id,
    last_recorded_at,
    unix_micros(valid_to) - unix_micros(valid_from) AS duration
FROM (
    SELECT
        *,
        status_change_timestamp AS valid_from,
        lead(status_change_timestamp) OVER (PARTITION BY network_id, segment_id, user_id ORDER BY place) AS valid_to,
        user_status AS cause
    FROM step
    WHERE changed_membership OR changed_override
) AS changes
