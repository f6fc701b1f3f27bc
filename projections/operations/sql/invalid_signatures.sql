-- Signatures that were not accepted. Parameters: topic[].
SELECT u.source, u.cause, sum(u.records)::bigint AS records, min(u.first_at) AS first_at, max(u.last_at) AS last_at
FROM segments.invalid_signature AS u INNER JOIN segments.lane AS l ON l.lane_id = u.lane_id
WHERE l.topic = ANY ($1::text[]) GROUP BY u.source, u.cause ORDER BY max(u.last_at) DESC, u.source, u.cause
