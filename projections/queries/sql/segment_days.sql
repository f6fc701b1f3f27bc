-- Changes of membership by UTC day, for some segments of a network, from a day on. Parameters: $1 network_id,
-- $2 segment_id[], $3 day.
SELECT s.segment_id, z.day, sum(z.joined)::bigint AS joined, sum(z.departed)::bigint AS departed
FROM segments.segment AS s
INNER JOIN projections.serving_size_daily AS z ON s.segment_key = z.segment_key
WHERE s.network_id = $1 AND s.segment_id = ANY ($2::integer[]) AND z.day >= $3::date
GROUP BY s.segment_id, z.day
