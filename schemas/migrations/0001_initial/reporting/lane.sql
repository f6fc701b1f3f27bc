-- A closed epoch is not stopped. segments.lane_event has the reason why one was stopped before its adoption.
CREATE VIEW reporting.lane AS
SELECT
    topic AS kafka_topic, partition AS kafka_partition, epoch AS kafka_epoch,
    first_offset, next_offset, events, duplicates, rejected, holes,
    CASE WHEN NOT closed THEN stopped_because END AS stopped_because
FROM segments.lane;

COMMENT ON VIEW reporting.lane IS 'Each partition and epoch: the position of the log and the counts of its offsets. events + duplicates + rejected + holes = next_offset - first_offset. Key: kafka_topic, kafka_partition, kafka_epoch.';
COMMENT ON COLUMN reporting.lane.kafka_topic IS 'Topic of the lane.';
COMMENT ON COLUMN reporting.lane.kafka_partition IS 'Partition of the lane.';
COMMENT ON COLUMN reporting.lane.kafka_epoch IS 'Starts at 0, and increases by 1 with each adoption of a remade topic.';
COMMENT ON COLUMN reporting.lane.first_offset IS 'The first offset of the lane.';
COMMENT ON COLUMN reporting.lane.next_offset IS 'The first offset that is not in the log yet.';
COMMENT ON COLUMN reporting.lane.events IS 'Accepted commands.';
COMMENT ON COLUMN reporting.lane.duplicates IS 'Dropped duplicates.';
COMMENT ON COLUMN reporting.lane.rejected IS 'Rejected records.';
COMMENT ON COLUMN reporting.lane.holes IS 'Offsets without a record for the log.';
COMMENT ON COLUMN reporting.lane.stopped_because IS 'Why the lane is stopped and how to continue; null while it runs, and in closed epochs.';

GRANT SELECT ON reporting.lane TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('lane', shows => 'shown lanes');
