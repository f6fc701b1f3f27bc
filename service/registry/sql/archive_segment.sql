-- Archive a segment, or restore it. Parameters: segment_key, whether it is to be archived.
UPDATE segments.segment SET archived_at = CASE WHEN $2 THEN clock_timestamp() END WHERE segment_key = $1
