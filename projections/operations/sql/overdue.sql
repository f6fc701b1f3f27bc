-- How many overrides are to lapse, and how many of them are overdue.
SELECT count(*) FILTER (WHERE m.expires_at <= clock_timestamp()) AS overdue, count(*) AS lapsing
FROM projections.serving_membership AS m
WHERE m.expires_at IS NOT NULL
