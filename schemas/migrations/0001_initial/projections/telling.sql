-- What is told on <prefix>.memberships, and what one process at a time may do.
CREATE TABLE projections.telling (
    only_row boolean NOT NULL DEFAULT true CONSTRAINT telling_pkey PRIMARY KEY CONSTRAINT telling_only_row CHECK (only_row),
    -- The topic that was told, by Kafka's own id, and among how many of its partitions keys are shared out: a key that
    -- moved to one added later would keep its last word in the old one.
    topic_id uuid,
    partitions integer,
    -- The topic is to be told as a whole: it was made anew, or somebody asked.
    anew boolean NOT NULL DEFAULT false,
    anew_because text,
    anew_by text,
    anew_at timestamptz
);
INSERT INTO projections.telling (only_row) VALUES (true);
GRANT SELECT, UPDATE ON projections.telling TO segments_project;
GRANT SELECT, UPDATE (anew, anew_because, anew_by, anew_at) ON projections.telling TO segments_operate;
