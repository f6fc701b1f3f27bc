-- The states of keys by all their events in the log, projected or not: the state, as text, and the time of the newest
-- event, Unix seconds. No row for a key without events. Parameters: segment_key[], person_id[].
SELECT k.segment_key, k.person_id, extract(epoch FROM f.newest)::bigint AS newest, f.state::text AS state
FROM unnest($1::integer[], $2::bigint[]) AS k (segment_key, person_id)
CROSS JOIN LATERAL segments.state_at_times(k.segment_key, k.person_id, 'infinity', 'infinity') AS f
WHERE f.newest IS NOT NULL
