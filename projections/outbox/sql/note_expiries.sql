-- Record published expiries. One that is rejected is published again after 1, 2, 4, … minutes, at most an hour.
-- Parameters: segment_key[], person_id[], topic[], partition[], offset[], incarnation in which they were claimed.
UPDATE projections.expiry AS x SET
    topic = w.topic, partition = w.partition, kafka_offset = w.kafka_offset, times = x.times + 1,
    epoch = coalesce((
        SELECT l.epoch FROM segments.lane AS l
        WHERE l.topic = w.topic AND l.partition = w.partition AND NOT l.closed
    ), 0),
    again_at = now() + least(make_interval(secs => 60 * 2 ^ least(x.times, 6)), interval '1 hour')
FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::integer[], $5::bigint[])
    AS w (segment_key, person_id, topic, partition, kafka_offset)
WHERE x.segment_key = w.segment_key AND x.person_id = w.person_id
    AND segments.incarnation() = $6 -- otherwise the ids may belong to another person
