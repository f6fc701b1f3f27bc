-- What is not append-only as a whole keeps what must never change; and all of these triggers fire whatever the session says.

-- A person's number, network and identifier stay; their erasure alone takes the identifier and the salt away.
CREATE FUNCTION segments.refuse_all_but_farewell() RETURNS trigger LANGUAGE plpgsql AS $$
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
FOR EACH ROW EXECUTE FUNCTION segments.refuse_all_but_farewell();

-- What an idempotency key names stays for the 7 days that are promised.
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

-- Which segment it is, whose, and who made it when: the log names it by its key.
CREATE FUNCTION segments.refuse_another_segment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (old.segment_key, old.network_id, old.segment_id, old.created_at, old.created_by)
        IS NOT DISTINCT FROM (new.segment_key, new.network_id, new.segment_id, new.created_at, new.created_by)
    THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION '% on %.% refused: which segment it is, whose and since when never changes',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER segment_stays BEFORE UPDATE OR DELETE ON segments.segment
FOR EACH ROW EXECUTE FUNCTION segments.refuse_another_segment();

DO $$
DECLARE
    name text;
    made record;
BEGIN
    FOREACH name IN ARRAY ARRAY['person', 'idempotency', 'segment'] LOOP
        EXECUTE format('CREATE TRIGGER %1$s_is_never_truncated BEFORE TRUNCATE ON segments.%1$s '
            'FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change()', name);
    END LOOP;
    -- Else session_replication_role = replica passes them by.
    FOR made IN
        SELECT t.tgname, t.tgrelid::regclass AS of_table FROM pg_catalog.pg_trigger AS t
        INNER JOIN pg_catalog.pg_class AS c ON t.tgrelid = c.oid
        WHERE c.relnamespace = 'segments'::regnamespace AND NOT t.tgisinternal
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', made.of_table, made.tgname);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION segments.refuse_all_but_farewell(), segments.refuse_early_forgetting(),
segments.refuse_another_segment() FROM public;
