-- What is published on <prefix>.memberships: the present state of each key.
CREATE TABLE projections.membership_topic (
    only_row boolean NOT NULL DEFAULT true CONSTRAINT membership_topic_pkey PRIMARY KEY
    CONSTRAINT membership_topic_only_row CHECK (only_row),
    -- The topic that was published, by Kafka's own id, and among how many of its partitions keys are shared out: a key that
    -- moved to one added later would keep its last word in the old one.
    topic_id uuid,
    partitions integer,
    -- The topic is to be published as a whole: it was made anew, or somebody asked.
    republish boolean NOT NULL DEFAULT false,
    republish_because text,
    republish_by text,
    republish_at timestamptz
);
INSERT INTO projections.membership_topic (only_row) VALUES (true);
GRANT SELECT, UPDATE ON projections.membership_topic TO segments_project;
GRANT SELECT, UPDATE (republish, republish_because, republish_by, republish_at) ON projections.membership_topic
TO segments_operate;
