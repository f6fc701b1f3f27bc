-- Watermark and lag of the projections, for the gauges.
SELECT complete_until, projection_behind FROM reporting.watermark
