-- The watermark: all records received before it are in every projection.
SELECT complete_until FROM reporting.watermark
