-- Bars up and down: how many joined and left the segments in each month?
SELECT
    cast(date_trunc('month', day) AS date) AS month,
    cast(sum(members_joined) AS bigint) AS joined,
    cast(sum(members_left) AS bigint) AS left_again
FROM analytics.agg_segment_daily
WHERE network_id = 'acme'
GROUP BY 1
ORDER BY 1
