-- Stacked bars: of the changes of membership, how many did rules make, and how many people?
SELECT
    s.segment_name,
    cast(sum(d.joined_by_rule) AS bigint) AS joined_by_rule,
    cast(sum(d.members_joined - d.joined_by_rule) AS bigint) AS joined_by_hand,
    cast(sum(d.left_by_rule) AS bigint) AS left_by_rule,
    cast(sum(d.members_left - d.left_by_rule) AS bigint) AS left_by_hand
FROM analytics.agg_segment_daily AS d
INNER JOIN analytics.dim_segment AS s ON d.segment_key = s.segment_key AND s.is_current
WHERE d.network_id = 'acme'
GROUP BY s.segment_name, s.segment_id
ORDER BY s.segment_id
