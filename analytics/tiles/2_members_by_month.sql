-- Lines: how many members had each segment at the end of each month with a change?
SELECT s.segment_name, d.month, d.members
FROM (
    SELECT
        segment_key,
        cast(date_trunc('month', day) AS date) AS month,
        members,
        row_number() OVER (PARTITION BY segment_key, date_trunc('month', day) ORDER BY day DESC) AS day_from_end
    FROM analytics.agg_segment_daily
    WHERE network_id = 'acme'
) AS d
INNER JOIN analytics.dim_segment AS s ON d.segment_key = s.segment_key AND s.is_current
WHERE d.day_from_end = 1
ORDER BY s.segment_id, d.month
