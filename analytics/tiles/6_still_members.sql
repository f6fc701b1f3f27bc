-- Lines: of those who joined first in a month, which part was a member 30, 90 and 180 days later?
WITH joined AS (
    SELECT segment_key, user_id, min(valid_from) AS joined_at
    FROM analytics.fct_membership_interval
    WHERE network_id = 'acme' AND is_member AND NOT is_instant
    GROUP BY segment_key, user_id
)

SELECT
    cast(date_trunc('month', j.joined_at AT TIME ZONE 'UTC') AS date) AS month,
    count(DISTINCT j.segment_key || ' ' || j.user_id) AS joined,
    count(CASE WHEN i.valid_from <= j.joined_at + INTERVAL '720 hours' AND (i.valid_to > j.joined_at + INTERVAL '720 hours' OR i.is_current) THEN 1 END) AS after_30_days,
    count(CASE WHEN i.valid_from <= j.joined_at + INTERVAL '2160 hours' AND (i.valid_to > j.joined_at + INTERVAL '2160 hours' OR i.is_current) THEN 1 END) AS after_90_days,
    count(CASE WHEN i.valid_from <= j.joined_at + INTERVAL '4320 hours' AND (i.valid_to > j.joined_at + INTERVAL '4320 hours' OR i.is_current) THEN 1 END) AS after_180_days
FROM joined AS j
INNER JOIN analytics.fct_membership_interval AS i ON j.segment_key = i.segment_key AND j.user_id = i.user_id AND i.is_member
GROUP BY 1
ORDER BY 1
