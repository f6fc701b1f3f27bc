-- Analysts who see one network, or a few: the same views and functions in a schema of their own, by network.
-- Append-only: the newest row of a role and a network is the current state.
CREATE TABLE segments.analyst_event (
    analyst_event_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT analyst_event_pkey PRIMARY KEY,
    role_name text COLLATE "C" NOT NULL,
    network_id text COLLATE "C" NOT NULL,
    change text NOT NULL CONSTRAINT analyst_event_change_is_known CHECK (change IN ('granted', 'revoked')),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text
);
CREATE INDEX analyst_event_of_role ON segments.analyst_event (role_name, network_id, analyst_event_id);
CREATE TRIGGER analyst_event_is_immutable BEFORE UPDATE OR DELETE ON segments.analyst_event FOR EACH ROW
EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER analyst_event_is_never_truncated BEFORE TRUNCATE ON segments.analyst_event FOR EACH STATEMENT
EXECUTE FUNCTION segments.refuse_change();
-- Only a login that may grant the role, that of setup, writes here.
GRANT SELECT ON segments.analyst_event TO segments_operate;

-- The current grants of networks to roles. A dropped role has none, even if its name is used again: only members of
-- segments_report_network can use the schema, and the new role is none.
CREATE VIEW segments.analyst AS
SELECT a.role_name, a.network_id, a.changed_at, a.actor, r.oid AS role
FROM (
    SELECT DISTINCT ON (role_name, network_id) role_name, network_id, change, changed_at, actor
    FROM segments.analyst_event
    ORDER BY role_name ASC, network_id ASC, analyst_event_id DESC
) AS a
INNER JOIN pg_catalog.pg_roles AS r ON a.role_name = r.rolname
WHERE a.change = 'granted';
GRANT SELECT ON segments.analyst TO segments_operate;
