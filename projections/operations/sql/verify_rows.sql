-- The views that join states with log, registry and people have a row for each state.
SELECT v.view, 'number of rows' AS key, v.expected::text AS expected, v.found::text AS found FROM (
    SELECT 'membership' AS view,
        (SELECT count(*) FROM reporting.user_segment WHERE is_member) AS expected,
        (SELECT count(*) FROM reporting.membership) AS found
    UNION ALL
    SELECT 'override', (SELECT count(*) FROM reporting.user_segment WHERE override IS NOT NULL),
        (SELECT count(*) FROM reporting.override)
    UNION ALL
    SELECT 'membership_history', (
            SELECT count(*) FROM projections.serving_interval AS i WHERE i.user_status IS NOT NULL
        ), (SELECT count(*) FROM reporting.membership_history)
    UNION ALL
    SELECT 'event', (SELECT count(*) FROM segments.event), (SELECT count(*) FROM reporting.event)
) AS v WHERE v.expected <> v.found
