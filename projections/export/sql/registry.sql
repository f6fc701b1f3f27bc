-- The changes of the registry, as view segment_history shows them. Parameters: $1 network or null.
SELECT v.* FROM reporting.segment_history AS v
WHERE $1::text IS NULL OR v.network_id = $1::text
ORDER BY v.network_id, v.segment_id, v.valid_from
