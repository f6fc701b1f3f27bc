-- Store Kafka's id of a lane's topic. Parameters: $1 lane_id, $2 the id, $3 the id that was read, $4 incarnation.
UPDATE segments.lane SET topic_id = $2
WHERE lane_id = $1 AND topic_id IS NOT DISTINCT FROM $3 AND segments.incarnation() = $4
