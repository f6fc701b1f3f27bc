-- The content that a rejected record's digest covers, and the salt. Parameters: lane, offset.
SELECT r.salt, '' AS who, r.blanked, r.detail, r.record_key, r.payload, r.payload_text, r.headers::text AS headers,
    segments.rejected_covered(r) AS covered
FROM segments.rejected AS r
WHERE r.lane_id = $1 AND r.kafka_offset = $2
