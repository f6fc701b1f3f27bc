-- Delete and return the traces of folded events. Parameters: lane_id[], first offset[], next offset[].
DELETE FROM projections.trace AS t
USING unnest($1::integer[], $2::bigint[], $3::bigint[]) AS w (lane_id, first, until)
WHERE t.lane_id = w.lane_id AND t.kafka_offset >= w.first AND t.kafka_offset < w.until
RETURNING t.traceparent
