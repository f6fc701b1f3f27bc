-- Stacked bars: what was sent by which way, and how many commands restated a day that was over?
SELECT
    source,
    user_status,
    count(*) AS commands,
    count(CASE WHEN is_recorded_on_a_later_day THEN 1 END) AS recorded_on_a_later_day
FROM analytics.fct_event
WHERE network_id = 'acme'
GROUP BY source, user_status
ORDER BY source, user_status
