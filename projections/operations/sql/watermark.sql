-- The watermark.
SELECT * FROM reporting.watermark
