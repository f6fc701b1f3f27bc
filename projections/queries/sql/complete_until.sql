-- Until when all that was received is in every projection.
SELECT complete_until FROM reporting.watermark
