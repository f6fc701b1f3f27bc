-- How many events would be replayed. Parameters: those of replayed_events.
SELECT count(*)
FROM segments.event AS e INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
WHERE ($1::text IS NULL OR s.network_id = $1) AND ($2::bigint IS NULL OR s.segment_id = $2)
    AND ($3::timestamptz IS NULL OR e.recorded_at >= $3) AND ($4::timestamptz IS NULL OR e.recorded_at < $4)
