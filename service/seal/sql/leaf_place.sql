-- The stretch that contains a position. Parameters: seal, topic, partition, epoch, offset.
SELECT t.first_leaf, t.leaves, t.kind, t.lane_id, t.first_offset, t.next_offset
FROM segments.lane AS l
INNER JOIN segments.seal_stretch AS t ON l.lane_id = t.lane_id AND t.seal_id = $1
WHERE l.topic = $2 AND l.partition = $3 AND l.epoch = $4 AND t.first_offset <= $5 AND t.next_offset > $5
