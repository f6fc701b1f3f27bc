-- Erasure: records itself, removes the identifier and the salt, and blanks the free text. No row is deleted.
-- Appends hold the gate, so none is in progress here; later ones drop the person from their cache by the erasure's number.
CREATE FUNCTION segments.erase_person(network_id text, user_id text, actor text, reason text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    person bigint;
    persons_salt bytea;
    number bigint;
    nobodys bigint;
BEGIN
    IF network_id <> '' THEN
        -- The gate holds up every append: it is not taken for nobody.
        IF NOT EXISTS (
            SELECT FROM segments.person AS p
            WHERE p.erased = 0 AND (
                p.network_id = erase_person.network_id AND p.user_id = erase_person.user_id
                OR p.network_id = '' AND p.user_id = erase_person.network_id || ':' || erase_person.user_id
            )
        ) THEN
            RETURN NULL;
        END IF;
        -- Records of topics that may not carry the network belong to a person without network.
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
        -- A publisher may have sent erased:<n> as a user: such a number is skipped.
        number := nextval('segments.erasure_erasure_id_seq');
        EXIT WHEN NOT EXISTS (
            SELECT FROM segments.person AS p
            WHERE p.network_id = erase_person.network_id AND p.user_id = 'erased:' || number
        );
    END LOOP;
    INSERT INTO segments.erasure (erasure_id, person_id, network_id, actor, reason) OVERRIDING SYSTEM VALUE
    VALUES (number, person, erase_person.network_id, erase_person.actor, erase_person.reason);
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
COMMENT ON FUNCTION segments.erase_person(text, text, text, text) IS
'Removes a person''s identifier and blanks their free text; their rows stay, as erased:<n>. Returns n, or null if no person has that identifier. user_id: as reporting.normalise_user() returns it.';
-- Granted here, while the owner still owns it: setup then gives it to the erasing role.
GRANT EXECUTE ON FUNCTION segments.erase_person TO segments_operate, segments_registry;
