-- Remember what was published. Should it have been refused, it is published again after a minute, two, four … an hour.
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
    AND segments.incarnation() = $6 -- else it may be another person's
