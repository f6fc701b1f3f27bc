-- API keys. Only the digest of a key's secret is stored.
CREATE TABLE segments.api_key (
    key_id text COLLATE "C" CONSTRAINT api_key_pkey PRIMARY KEY,
    network_id text COLLATE "C" NOT NULL,
    key_name text NOT NULL,
    scopes text [] NOT NULL,
    -- SHA-256 of the secret, which has 256 random bits, so no slower digest is needed.
    secret_digest bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text,
    expires_at timestamptz,
    revoked_at timestamptz,
    revoked_by text,
    last_used_at timestamptz,
    CONSTRAINT api_key_scopes_are_known CHECK (
        scopes <@ ARRAY['publish', 'report', 'admin', 'audit', 'operate'] AND cardinality(scopes) > 0
    )
);
CREATE INDEX api_key_of_network ON segments.api_key (network_id);
CREATE INDEX api_key_expires ON segments.api_key (expires_at) WHERE revoked_at IS NULL;
GRANT SELECT, INSERT, UPDATE (revoked_at, revoked_by) ON segments.api_key TO segments_registry;
GRANT SELECT, UPDATE (last_used_at) ON segments.api_key TO segments_api;
