-- An update by the erasing role may blank free text and set, once, the digest of what was blanked; nothing else.
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
