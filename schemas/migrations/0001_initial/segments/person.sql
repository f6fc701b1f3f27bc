-- The only place where a person's identifier is stored. The salt is part of every digest of their content.
CREATE TABLE segments.person (
    person_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT person_pkey PRIMARY KEY,
    network_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    salt bytea NOT NULL,
    -- 0, or the number of the erasure that removed the identifier; negative if that was in another installation, whose events
    -- were replayed here.
    erased bigint NOT NULL DEFAULT 0,
    CONSTRAINT person_once UNIQUE (user_id, network_id, erased)
);
GRANT SELECT, INSERT ON segments.person TO segments_ingest, segments_operate;
GRANT SELECT ON segments.person TO segments_project, segments_api;
GRANT SELECT, UPDATE ON segments.person TO segments_erase;

-- A person's number, network and identifier never change, except that an erasure removes the identifier and the salt.
CREATE FUNCTION segments.refuse_person_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_user = 'segments_erase' AND old.erased = 0 AND new.erased > 0
        AND new.user_id = 'erased:' || new.erased AND new.salt = ''
        AND to_jsonb(new) - '{user_id,erased,salt}'::text[] = to_jsonb(old) - '{user_id,erased,salt}'::text[]
    THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION '% on %.% refused: it is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'segments.erase_person() takes an identifier away.';
END $$;
CREATE TRIGGER person_stays BEFORE UPDATE OR DELETE ON segments.person
FOR EACH ROW EXECUTE FUNCTION segments.refuse_person_change();
CREATE TRIGGER person_is_never_truncated BEFORE TRUNCATE ON segments.person
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();
