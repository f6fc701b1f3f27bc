-- Until when everything is in.
SELECT * FROM reporting.watermark
