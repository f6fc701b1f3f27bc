-- The state of publishing to <prefix>.memberships, which has the present state of each key.
CREATE TABLE projections.membership_topic (
    only_row boolean NOT NULL DEFAULT true CONSTRAINT membership_topic_pkey PRIMARY KEY
    CONSTRAINT membership_topic_only_row CHECK (only_row),
    -- The published topic, by Kafka's topic id, and the number of partitions over which keys are distributed: a key that
    -- moved to a partition added later would keep a stale value in the old one.
    topic_id uuid,
    partitions integer,
    -- All keys are to be published: the topic was recreated, or an operator requested it.
    republish boolean NOT NULL DEFAULT false,
    republish_because text,
    republish_by text,
    republish_at timestamptz
);
INSERT INTO projections.membership_topic (only_row) VALUES (true);
GRANT SELECT, UPDATE ON projections.membership_topic TO segments_project;
GRANT SELECT, UPDATE (republish, republish_because, republish_by, republish_at) ON projections.membership_topic
TO segments_operate;
