-- Bars: how large is each segment now, and how many people are in it or kept out of it by hand?
SELECT
    s.segment_name,
    count(CASE WHEN i.is_member AND i.override IS NULL THEN 1 END) AS by_rule,
    count(CASE WHEN i.is_member AND i.override = 'add' THEN 1 END) AS pinned,
    count(CASE WHEN i.override = 'block' THEN 1 END) AS blocked
FROM analytics.dim_segment AS s
LEFT JOIN analytics.fct_membership_interval AS i ON s.segment_key = i.segment_key AND i.is_current
WHERE s.network_id = 'acme' AND s.is_current
GROUP BY s.segment_name, s.segment_id
ORDER BY s.segment_id
