-- The owner of the topics of a prefix at the last check by a process; topic <prefix>.owner is authoritative.
CREATE TABLE segments.topics_owner (
    topic_prefix text COLLATE "C" CONSTRAINT topics_owner_pkey PRIMARY KEY,
    installation text NOT NULL,
    since timestamptz NOT NULL,
    actor text,
    seen_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON segments.topics_owner TO segments_ingest, segments_project;
GRANT SELECT ON segments.topics_owner TO segments_operate;
