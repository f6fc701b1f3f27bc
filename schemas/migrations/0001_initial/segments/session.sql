-- Sessions of the dashboard, and links that begin one. Only the SHA-256 digest of a token (256 random bits) is stored. A row
-- is deleted when its session ends or its link is used, and is invalid once its key is revoked or expired.
CREATE TABLE segments.session (
    token_digest bytea CONSTRAINT session_pkey PRIMARY KEY,
    key_id text COLLATE "C" NOT NULL CONSTRAINT session_key REFERENCES segments.api_key,
    -- Of whoever may see several networks: a key for each of the others.
    other_keys text [] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX session_of_key ON segments.session (key_id);
CREATE INDEX session_expires ON segments.session (expires_at);
GRANT SELECT, INSERT, DELETE ON segments.session TO segments_api;

CREATE TABLE segments.sign_in_link (
    token_digest bytea CONSTRAINT sign_in_link_pkey PRIMARY KEY,
    key_id text COLLATE "C" NOT NULL CONSTRAINT sign_in_link_key REFERENCES segments.api_key,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
);
GRANT INSERT ON segments.sign_in_link TO segments_registry;
GRANT SELECT, DELETE ON segments.sign_in_link TO segments_api;
