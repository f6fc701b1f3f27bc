-- The row of view result, with detail, of a rejected record without a readable network, for the network in its record key
-- `network_id:user`. No row for topics that may only carry commands of other networks.
-- Parameters: $1 network_id, $2 lane_id, $3 offset.
SELECT v.*, j.detail
FROM segments.rejected AS j
INNER JOIN segments.lane AS l ON j.lane_id = l.lane_id
CROSS JOIN LATERAL (
    SELECT w.* FROM reporting.result AS w
    WHERE
        w.kafka_topic = l.topic AND w.kafka_partition = l.partition AND w.kafka_epoch = l.epoch
        AND w.kafka_offset = j.kafka_offset AND w.network_id IS NULL
    OFFSET 0
) AS v
WHERE
    j.lane_id = $2 AND j.kafka_offset = $3 AND j.network_id IS NULL
    AND substring(j.record_key FOR octet_length($1) + 1) = convert_to($1 || ':', 'UTF8')
    AND NOT EXISTS (SELECT FROM segments.source AS t WHERE t.topic = l.topic AND NOT ARRAY[$1] <@ t.networks)
