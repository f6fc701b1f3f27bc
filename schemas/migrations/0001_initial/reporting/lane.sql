-- A closed epoch is not stopped. Why one stood still before it was adopted stays in segments.lane_event.
CREATE VIEW reporting.lane AS
SELECT
    topic AS kafka_topic, partition AS kafka_partition, epoch AS kafka_epoch,
    first_offset, next_offset, events, duplicates, rejected, holes,
    CASE WHEN NOT closed THEN stopped_because END AS stopped_because
FROM segments.lane;

COMMENT ON VIEW reporting.lane IS 'Each partition and epoch: how far the log has come and what its offsets held. events + duplicates + rejected + holes = next_offset - first_offset.';
COMMENT ON COLUMN reporting.lane.kafka_topic IS 'Topic of the record.';
COMMENT ON COLUMN reporting.lane.kafka_partition IS 'Partition of the record.';
COMMENT ON COLUMN reporting.lane.kafka_epoch IS '0, one up each time a remade topic was adopted.';
COMMENT ON COLUMN reporting.lane.first_offset IS 'Where the lane begins.';
COMMENT ON COLUMN reporting.lane.next_offset IS 'The first offset that is not in the log yet.';
COMMENT ON COLUMN reporting.lane.events IS 'Accepted commands.';
COMMENT ON COLUMN reporting.lane.duplicates IS 'Dropped repeats.';
COMMENT ON COLUMN reporting.lane.rejected IS 'Refused records.';
COMMENT ON COLUMN reporting.lane.holes IS 'Offsets that held no record for us.';
COMMENT ON COLUMN reporting.lane.stopped_because IS 'Why the lane stands still and how to go on; null while it runs, and of an epoch that another one follows.';

GRANT SELECT ON reporting.lane TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('lane', shows => 'shown lanes');
