-- The part of segments that the append needs. LATERAL and OFFSET 0 force one index look-up per segment, whatever the
-- planner's statistics. Parameters: network_id[], segment_id[].
SELECT w.network_id, w.segment_id, s.segment_key, s.archived
FROM unnest($1::text[], $2::integer[]) AS w (network_id, segment_id)
CROSS JOIN LATERAL (
    SELECT t.segment_key, t.archived_at IS NOT NULL AS archived FROM segments.segment AS t
    WHERE t.network_id = w.network_id AND t.segment_id = w.segment_id
    OFFSET 0
) AS s
