-- What was done with API keys, and by them on the dashboard. Append-only.
CREATE TABLE segments.key_event (
    key_event_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT key_event_pkey PRIMARY KEY,
    key_id text COLLATE "C" NOT NULL,
    network_id text COLLATE "C" NOT NULL,
    change text NOT NULL CONSTRAINT key_event_change_is_known CHECK (
        change IN ('created', 'revoked', 'link_made', 'signed_in', 'signed_out')
    ),
    -- Of the key; they never change.
    key_name text NOT NULL,
    scopes text [] NOT NULL,
    expires_at timestamptz,
    happened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text
);
CREATE INDEX key_event_of_network ON segments.key_event (network_id, key_event_id);
CREATE TRIGGER key_event_is_immutable BEFORE UPDATE OR DELETE ON segments.key_event
FOR EACH ROW EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER key_event_is_never_truncated BEFORE TRUNCATE ON segments.key_event
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();
GRANT INSERT ON segments.key_event TO segments_registry, segments_api;
