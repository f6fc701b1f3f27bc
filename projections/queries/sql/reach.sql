-- The watermark complete_until, and a token of the present content of the views. Parameters: network_id.
SELECT complete_until, projections.make_snapshot(ARRAY[$1::text]) AS snapshot FROM reporting.watermark
