-- The sequences of the log's numbers, with the highest number of each table that has rows.
SELECT pg_get_serial_sequence('segments.' || t.name, t.number) AS sequence, t.highest FROM (
    VALUES
    ('segment', 'segment_key', (SELECT max(segment_key)::bigint FROM segments.segment)),
    ('registry_event', 'version', (SELECT max(version) FROM segments.registry_event)),
    ('analyst_event', 'analyst_event_id', (SELECT max(analyst_event_id) FROM segments.analyst_event)),
    ('lane', 'lane_id', (SELECT max(lane_id) FROM segments.lane)),
    ('lane_event', 'lane_event_id', (SELECT max(lane_event_id) FROM segments.lane_event)),
    ('person', 'person_id', (SELECT max(person_id) FROM segments.person)),
    ('retry', 'retry_id', (SELECT max(retry_id) FROM segments.retry)),
    ('erasure', 'erasure_id', (SELECT max(erasure_id) FROM segments.erasure)),
    ('rejected_erasure', 'rejected_erasure_id', (SELECT max(rejected_erasure_id) FROM segments.rejected_erasure)),
    ('seal', 'seal_id', (SELECT max(seal_id) FROM segments.seal))
) AS t (name, number, highest)
WHERE t.highest IS NOT NULL
