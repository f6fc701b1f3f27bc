-- What was written stays: grants give nobody UPDATE, DELETE or TRUNCATE on the log, and triggers refuse
-- them to the owner too. The one exception is erasure, by its own role through its own function.
CREATE FUNCTION segments.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %.% refused: it is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation',
              HINT = 'Free text is blanked by segments.erase_person() and erase_rejected(); nothing else changes the log.';
END $$;

-- An update by the erasing role may blank free text, keep once what stands for it in the row's digest, and touch
-- nothing else.
CREATE FUNCTION segments.refuse_all_but_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    blanked jsonb;
    free_text text[] := TG_ARGV[0]::text[];
BEGIN
    IF current_user = 'segments_erase' THEN
        SELECT to_jsonb(old) || jsonb_object_agg(name, NULL) INTO blanked FROM unnest(free_text) AS name;
        IF old.blanked IS NULL THEN
            blanked := blanked || jsonb_build_object('blanked', new.blanked);
        END IF;
        IF to_jsonb(new) = blanked THEN
            RETURN new;
        END IF;
    END IF;
    RAISE EXCEPTION '% on %.% refused: it is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation',
              HINT = 'Free text is blanked by segments.erase_person() and erase_rejected(); nothing else changes the log.';
END $$;

CREATE TRIGGER event_is_immutable BEFORE UPDATE ON segments.event FOR EACH ROW
EXECUTE FUNCTION segments.refuse_all_but_erasure('{user_sent,description,metadata}');
CREATE TRIGGER rejected_is_immutable BEFORE UPDATE ON segments.rejected FOR EACH ROW
EXECUTE FUNCTION segments.refuse_all_but_erasure('{detail,record_key,payload,payload_text,headers,salt}');

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['event', 'rejected'] LOOP
        EXECUTE format('CREATE TRIGGER %1$s_is_never_deleted BEFORE DELETE ON segments.%1$s '
            'FOR EACH ROW EXECUTE FUNCTION segments.refuse_change()', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['duplicate', 'hole', 'registry_event', 'lane_event', 'retry', 'erasure'] LOOP
        EXECUTE format('CREATE TRIGGER %1$s_is_immutable BEFORE UPDATE OR DELETE ON segments.%1$s '
            'FOR EACH ROW EXECUTE FUNCTION segments.refuse_change()', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['event', 'rejected', 'duplicate', 'hole', 'registry_event', 'lane_event', 'retry', 'erasure'] LOOP
        EXECUTE format('CREATE TRIGGER %1$s_is_never_truncated BEFORE TRUNCATE ON segments.%1$s '
            'FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change()', name);
    END LOOP;
END $$;

-- Empty. Who appends locks it against erasures, an erasure against appends; nobody else has a right to either.
CREATE TABLE segments.erasure_gate (nothing boolean);
-- Appends may be side by side: until the transaction's end nobody is erased.
CREATE FUNCTION segments.keep_erasure_out() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE segments.erasure_gate IN ROW EXCLUSIVE MODE;
END $$;

-- Erasure: records itself, takes the identifier and the salt away, blanks the free text. No row goes.
-- Appends hold the gate: none is under way here, and the newest erasure's number tells the next ones whom to forget.
CREATE FUNCTION segments.erase_person(network_id text, user_id text, actor text, reason text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    person bigint;
    persons_salt bytea;
    number bigint;
    nobodys bigint;
BEGIN
    -- What topics said of them that may not speak for the network hangs on a person of nobody's.
    IF network_id <> '' THEN
        nobodys := segments.erase_person('', network_id || ':' || user_id, actor, reason);
    END IF;
    LOCK TABLE segments.erasure_gate IN EXCLUSIVE MODE;
    SELECT p.person_id, p.salt INTO person, persons_salt FROM segments.person AS p
    WHERE p.network_id = erase_person.network_id AND p.user_id = erase_person.user_id AND p.erased = 0
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN nobodys;
    END IF;
    LOOP
        -- A publisher may have sent erased:<n> for a user: such a number is passed over.
        number := nextval('segments.erasure_erasure_id_seq');
        EXIT WHEN NOT EXISTS (
            SELECT FROM segments.person AS p
            WHERE p.network_id = erase_person.network_id AND p.user_id = 'erased:' || number
        );
    END LOOP;
    INSERT INTO segments.erasure (erasure_id, person_id, actor, reason) OVERRIDING SYSTEM VALUE
    VALUES (number, person, erase_person.actor, erase_person.reason);
    UPDATE segments.person AS p SET user_id = 'erased:' || number, erased = number, salt = ''
    WHERE p.person_id = person;
    UPDATE segments.event AS e SET
        user_sent = NULL, description = NULL, metadata = NULL,
        blanked = segments.personal_digest(
            persons_salt, erase_person.network_id, erase_person.user_id, e.user_sent, e.description, e.metadata::text
        )
    WHERE e.person_id = person;
    UPDATE segments.rejected AS r
    SET detail = NULL, record_key = NULL, payload = NULL, payload_text = NULL, headers = NULL, salt = NULL,
        blanked = coalesce(r.blanked, segments.personal_digest(r))
    WHERE r.person_id = person OR r.key_person_id = person;
    RETURN number;
END $$;
-- Said here, while it is still the owner's: setup gives it to its own role in the end.
REVOKE ALL ON FUNCTION segments.erase_person(text, text, text, text) FROM public;
GRANT EXECUTE ON FUNCTION segments.erase_person(text, text, text, text) TO segments_operate;
COMMENT ON FUNCTION segments.erase_person(text, text, text, text) IS
'Takes a person''s identifier away and blanks their free text; their rows stay, as erased:<n>. Returns n, or null when nobody has that identifier. user_id is as reporting.normalise_user() gives it.';
