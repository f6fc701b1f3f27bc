-- One row, locked by each change. The append reads it, so a change applies from the next append on.
CREATE TABLE segments.source_version (
    only_row boolean CONSTRAINT source_version_pkey PRIMARY KEY DEFAULT true,
    version bigint NOT NULL,
    CONSTRAINT source_version_has_one_row CHECK (only_row)
);
INSERT INTO segments.source_version (version) VALUES (0);
GRANT SELECT ON segments.source_version TO segments_ingest, segments_operate, segments_api;
GRANT SELECT, UPDATE ON segments.source_version TO segments_registry;

-- The rules of command topics, and every change with actor and time. Kafka's ACLs control who may write a topic.
-- Append-only: the newest row of a topic is its current rule. Topics without a row are not read, except
-- <prefix>.commands, which may then carry everything.
CREATE TABLE segments.source_event (
    version bigint CONSTRAINT source_event_pkey PRIMARY KEY,
    topic text COLLATE "C" NOT NULL,
    topic_prefix text COLLATE "C" NOT NULL, -- of the installation that reads it
    change text NOT NULL CONSTRAINT source_event_change_is_known CHECK (change IN ('allowed', 'revoked', 'closed')),
    -- Null: all. Once revoked or closed: the former values.
    networks text [],
    statuses text [],
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text,
    CONSTRAINT source_event_names_some CHECK (cardinality(networks) > 0 AND cardinality(statuses) > 0),
    CONSTRAINT source_event_statuses_are_known CHECK (statuses <@ ARRAY['add', 'block', 'reset', 'enter', 'leave'])
);
CREATE INDEX source_event_of_topic ON segments.source_event (topic, version);
CREATE TRIGGER source_event_is_immutable BEFORE UPDATE OR DELETE ON segments.source_event FOR EACH ROW
EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER source_event_is_never_truncated BEFORE TRUNCATE ON segments.source_event FOR EACH STATEMENT
EXECUTE FUNCTION segments.refuse_change();
GRANT SELECT, INSERT ON segments.source_event TO segments_registry;
GRANT SELECT ON segments.source_event TO segments_operate;

CREATE VIEW segments.source AS
SELECT DISTINCT ON (topic) topic, topic_prefix, change, networks, statuses, changed_at, actor, version
FROM segments.source_event
ORDER BY topic ASC, version DESC;
GRANT SELECT ON segments.source TO segments_ingest, segments_project, segments_registry, segments_operate, segments_api;
