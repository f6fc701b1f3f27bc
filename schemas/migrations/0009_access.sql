-- API keys, and the least that the HTTP API needs. A key's secret stands here as a digest only.
CREATE TABLE segments.api_key (
    key_id text COLLATE "C" CONSTRAINT api_key_pkey PRIMARY KEY,
    network_id text COLLATE "C" NOT NULL,
    key_name text NOT NULL,
    scopes text [] NOT NULL,
    -- SHA-256 of the secret: of 256 random bits, so that no slower digest is wanted.
    secret_digest bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text,
    expires_at timestamptz,
    revoked_at timestamptz,
    revoked_by text,
    last_used_at timestamptz,
    CONSTRAINT api_key_scopes_are_known CHECK (scopes <@ ARRAY['publish', 'report', 'admin'] AND cardinality(scopes) > 0)
);
CREATE INDEX api_key_of_network ON segments.api_key (network_id);

GRANT SELECT, INSERT ON segments.api_key TO segments_registry;
GRANT UPDATE (revoked_at, revoked_by) ON segments.api_key TO segments_registry;

-- api: reads what it reports, what a dry run compares with, and what became of commands by their reference; of keys it
-- notes the last use.
GRANT USAGE ON SCHEMA segments, projections, reporting TO segments_api;
GRANT SELECT ON segments.api_key TO segments_api;
GRANT UPDATE (last_used_at) ON segments.api_key TO segments_api;
GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO segments_api;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reporting TO segments_api;
GRANT EXECUTE ON FUNCTION segments.incarnation(), segments.rejected_at(integer, bigint) TO segments_api;
GRANT SELECT ON segments.segment, segments.lane, segments.person, segments.event,
segments.duplicate, segments.rejected, segments.hole, segments.idempotency TO segments_api;
GRANT SELECT ON ALL TABLES IN SCHEMA projections TO segments_api;
GRANT EXECUTE ON FUNCTION segments.event_id(text, integer, integer, bigint), segments.fold_step(
    segments.key_state, segments.key_state, smallint, timestamptz, timestamptz, timestamptz,
    integer, bigint, timestamptz, integer, bigint
), segments.fold(
    segments.key_state, smallint, timestamptz, timestamptz, timestamptz, integer, bigint, timestamptz, integer, bigint
), projections.history_between(integer, bigint, timestamptz, timestamptz) TO segments_api;
