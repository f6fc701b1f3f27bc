-- A closed epoch is not stopped, and a hole may be an operator's choice: what is said of lanes and holes is true later too.

-- Why an epoch stood still before it was adopted stays in segments.lane_event (`segments lane list --history`).
CREATE OR REPLACE VIEW reporting.lane AS
SELECT
    topic AS kafka_topic, partition AS kafka_partition, epoch AS kafka_epoch,
    first_offset, next_offset, events, duplicates, rejected, holes,
    CASE WHEN NOT closed THEN stopped_because END AS stopped_because
FROM segments.lane;

DO $$
DECLARE
    schema text;
BEGIN
    FOREACH schema IN ARRAY '{reporting,reporting_network}'::text[] LOOP
        EXECUTE format('COMMENT ON COLUMN %I.lane.stopped_because IS %L', schema,
            'Why the lane stands still and how to go on; null while it runs, and of an epoch that another one follows.');
        EXECUTE format('COMMENT ON COLUMN %I.hole.cause IS %L', schema,
            'What the range held, as far as it is known; or why an operator passed it by.');
        EXECUTE format('COMMENT ON VIEW %I.hole IS %L', schema,
            'Ranges of offsets that hold no record for us: transaction markers, aborted records, compaction, retention,'
            ' and what was passed by when a lane was adopted.');
    END LOOP;
END $$;

-- The HTTP API says why a position has no result.
GRANT SELECT ON segments.hole TO segments_api;
