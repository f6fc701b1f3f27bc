-- A temporary table for the last values of the topic of memberships.
CREATE TEMPORARY TABLE published (
    key text, partition integer, kafka_offset bigint, recorded_at timestamptz, said text
)
