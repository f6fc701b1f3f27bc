-- The events that these idempotency keys name. For erased people the digest is empty: without the salt it can't be
-- compared. Parameters: network_id[], key_digest[].
SELECT i.network_id, i.key_digest, i.lane_id, i.kafka_offset,
    CASE WHEN p.erased > 0 THEN ''::bytea ELSE i.request END AS request, e.segment_key, e.user_status
FROM unnest($1::text[], $2::bytea[]) AS w (network_id, key_digest)
INNER JOIN segments.idempotency AS i ON i.network_id = w.network_id AND i.key_digest = w.key_digest
LEFT JOIN segments.event AS e ON e.lane_id = i.lane_id AND e.kafka_offset = i.kafka_offset
LEFT JOIN segments.person AS p ON p.person_id = e.person_id
