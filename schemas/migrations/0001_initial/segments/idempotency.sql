-- The event that an idempotency key names. Kept at least 7 days.
CREATE TABLE segments.idempotency (
    network_id text COLLATE "C" NOT NULL,
    key_digest bytea NOT NULL,
    seen_at timestamptz NOT NULL,
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    request bytea NOT NULL, -- salted digest of all that the key covers: content, segment, user, reference, time
    CONSTRAINT idempotency_key_once PRIMARY KEY (network_id, key_digest)
);
CREATE INDEX idempotency_seen ON segments.idempotency (seen_at);
GRANT SELECT, INSERT ON segments.idempotency TO segments_ingest;
GRANT SELECT ON segments.idempotency TO segments_project, segments_operate, segments_api;

-- A key can't be changed within its 7 days.
CREATE FUNCTION segments.refuse_early_forgetting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND old.seen_at < clock_timestamp() - interval '7 days' THEN
        RETURN old;
    END IF;
    RAISE EXCEPTION '% on %.% refused: what a key names is kept for 7 days', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER idempotency_is_kept BEFORE UPDATE OR DELETE ON segments.idempotency
FOR EACH ROW EXECUTE FUNCTION segments.refuse_early_forgetting();
CREATE TRIGGER idempotency_is_never_truncated BEFORE TRUNCATE ON segments.idempotency
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();

-- Delete idempotency keys 8 days after their first receipt, at most 5,000 per call, the oldest first; return their number.
-- Appends never wait for it, because locked keys are skipped.
CREATE FUNCTION segments.forget_keys() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS MATERIALIZED (
        SELECT i.network_id, i.key_digest FROM segments.idempotency AS i
        WHERE i.seen_at < now() - interval '8 days'
        ORDER BY i.seen_at LIMIT 5000 FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM segments.idempotency AS i USING old AS o
        WHERE i.network_id = o.network_id AND i.key_digest = o.key_digest
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$;
GRANT EXECUTE ON FUNCTION segments.forget_keys TO segments_ingest;
