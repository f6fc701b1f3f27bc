-- Holds what the topic of memberships says while it is compared.
CREATE TEMPORARY TABLE published (
    key text, partition integer, kafka_offset bigint, recorded_at timestamptz, said text
)
