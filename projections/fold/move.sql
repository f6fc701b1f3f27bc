-- Move a checkpoint on. Parameters: projection, slot, lane_id, first offset, next offset.
UPDATE projections.checkpoint AS c SET
    next_offset = $5,
    complete_until = greatest(c.complete_until, seen.received_at),
    recorded_until = greatest(c.recorded_until, seen.recorded_at)
FROM (
    SELECT max(r.received_at) AS received_at, max(r.recorded_at) AS recorded_at FROM (
        SELECT received_at, recorded_at FROM segments.event
        WHERE lane_id = $3 AND kafka_offset >= $4 AND kafka_offset < $5
        UNION ALL
        SELECT received_at, recorded_at FROM segments.duplicate
        WHERE lane_id = $3 AND kafka_offset >= $4 AND kafka_offset < $5
        UNION ALL
        SELECT received_at, recorded_at FROM segments.rejected
        WHERE lane_id = $3 AND kafka_offset >= $4 AND kafka_offset < $5
    ) AS r
) AS seen
WHERE c.projection = $1 AND c.slot = $2 AND c.lane_id = $3 AND c.next_offset = $4
