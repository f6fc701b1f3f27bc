-- How far the projections are, for the gauges.
SELECT complete_until, projection_behind FROM reporting.watermark
