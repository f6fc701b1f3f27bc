-- The watermark, overrides that lapse and those that should have, and the serving slot of each projection.
SELECT
    w.complete_until,
    w.recorded_until,
    w.ingest_behind,
    w.projection_behind,
    w.stopped_lanes,
    x.lapsing,
    x.overdue,
    x.overdue_since,
    ARRAY(SELECT g.projection FROM projections.generation AS g ORDER BY g.projection) AS projections
FROM reporting.watermark AS w
CROSS JOIN (
    SELECT
        count(*) AS lapsing,
        count(*) FILTER (WHERE m.expires_at <= clock_timestamp()) AS overdue,
        min(m.expires_at) FILTER (WHERE m.expires_at <= clock_timestamp()) AS overdue_since
    FROM projections.serving_membership AS m
    WHERE m.expires_at IS NOT NULL
) AS x
