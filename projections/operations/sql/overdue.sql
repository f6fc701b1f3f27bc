-- The number of overrides with an expiry, and of those that are overdue.
SELECT count(*) FILTER (WHERE m.expires_at <= clock_timestamp()) AS overdue, count(*) AS lapsing
FROM projections.serving_membership AS m
WHERE m.expires_at IS NOT NULL
