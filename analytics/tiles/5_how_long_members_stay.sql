-- Histogram: of the stays that are over, how many lasted how many times 30 days? A pin within a stay does not end it.
WITH change AS (
    SELECT
        segment_key,
        user_id,
        valid_from,
        is_member,
        coalesce(lag(is_member) OVER (PARTITION BY segment_key, user_id ORDER BY valid_from), false) AS was_member
    FROM analytics.fct_membership_interval
    WHERE network_id = 'acme' AND NOT is_instant
),

stay AS (
    SELECT
        is_member,
        valid_from AS joined_at,
        lead(valid_from) OVER (PARTITION BY segment_key, user_id ORDER BY valid_from) AS left_at
    FROM change
    WHERE is_member <> was_member
)

SELECT cast(floor(extract(EPOCH FROM left_at - joined_at) / 86400 / 30) AS bigint) * 30 AS days_at_least, count(*) AS stays
FROM stay
WHERE is_member AND left_at IS NOT NULL
GROUP BY 1
ORDER BY 1
