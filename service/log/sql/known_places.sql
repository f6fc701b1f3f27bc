-- Those of these commands that are in the log. Parameters: person_id[], segment_key[], time[] (Unix
-- seconds), reference_id[], discriminator[].
SELECT w.nth::integer - 1 AS nth, e.lane_id, e.kafka_offset, e.content
FROM unnest($1::bigint[], $2::integer[], $3::bigint[], $4::text[], $5::text[]) WITH ORDINALITY
    AS w (person_id, segment_key, time, reference_id, discriminator, nth)
INNER JOIN segments.event AS e
    ON
        e.person_id = w.person_id
        AND e.segment_key = w.segment_key
        AND e.status_change_timestamp = to_timestamp(w.time)
        AND e.reference_id = w.reference_id
        AND e.discriminator = w.discriminator
