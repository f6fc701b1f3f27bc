-- Matrix: how many members of a segment are members of another one, too? A segment with itself: its members.
SELECT s.segment_name, o.segment_name AS other_segment_name, count(*) AS members
FROM analytics.fct_membership_interval AS i
INNER JOIN analytics.fct_membership_interval AS j ON i.network_id = j.network_id AND i.user_id = j.user_id
INNER JOIN analytics.dim_segment AS s ON i.segment_key = s.segment_key AND s.is_current
INNER JOIN analytics.dim_segment AS o ON j.segment_key = o.segment_key AND o.is_current
WHERE i.network_id = 'acme' AND i.is_current AND i.is_member AND j.is_current AND j.is_member
GROUP BY s.segment_name, o.segment_name, s.segment_id, o.segment_id
ORDER BY s.segment_id, o.segment_id
