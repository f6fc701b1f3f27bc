-- Advance checkpoints. Parameters: projection, slot, lane_id[], first offset[], next offset[].
UPDATE projections.checkpoint AS c SET
    next_offset = w.until,
    complete_until = greatest(c.complete_until, seen.received_at),
    recorded_until = greatest(c.recorded_until, seen.recorded_at)
FROM unnest($3::integer[], $4::bigint[], $5::bigint[]) AS w (lane_id, first, until)
CROSS JOIN LATERAL (
    SELECT max(r.received_at) AS received_at, max(r.recorded_at) AS recorded_at FROM (
        SELECT received_at, recorded_at FROM segments.event
        WHERE lane_id = w.lane_id AND kafka_offset >= w.first AND kafka_offset < w.until
        UNION ALL
        SELECT received_at, recorded_at FROM segments.duplicate
        WHERE lane_id = w.lane_id AND kafka_offset >= w.first AND kafka_offset < w.until
        UNION ALL
        SELECT received_at, recorded_at FROM segments.rejected
        WHERE lane_id = w.lane_id AND kafka_offset >= w.first AND kafka_offset < w.until
    ) AS r
) AS seen
WHERE c.projection = $1 AND c.slot = $2 AND c.lane_id = w.lane_id AND c.next_offset = w.first
