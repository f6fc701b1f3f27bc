-- Count signatures that are not accepted. Parameters: lane_id, source[], cause[], records[].
INSERT INTO segments.invalid_signature AS u (lane_id, source, cause, records)
SELECT $1, w.source, w.cause, w.records FROM unnest($2::text[], $3::text[], $4::bigint[]) AS w (source, cause, records)
ON CONFLICT (lane_id, source, cause)
DO UPDATE SET records = u.records + excluded.records, last_at = clock_timestamp()
