-- Which events these idempotency keys name. Parameters: network_id[], key_digest[].
SELECT i.network_id, i.key_digest, i.lane_id, i.kafka_offset, i.request
FROM unnest($1::text[], $2::bytea[]) AS w (network_id, key_digest)
INNER JOIN segments.idempotency AS i ON i.network_id = w.network_id AND i.key_digest = w.key_digest
