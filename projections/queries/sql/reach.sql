-- Until when all that was received is in every projection, and a token of what is shown. Parameters: network_id.
SELECT complete_until, projections.make_snapshot(ARRAY[$1::text]) AS snapshot FROM reporting.watermark
