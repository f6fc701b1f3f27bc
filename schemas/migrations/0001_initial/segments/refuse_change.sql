-- What was written stays: grants give nobody UPDATE, DELETE or TRUNCATE on the log, and triggers refuse
-- them to the owner too. The one exception is erasure, by its own role through its own function.
-- What is not append-only as a whole (person, idempotency, segment) keeps what must never change.
CREATE FUNCTION segments.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %.% refused: it is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation',
              HINT = 'Free text is blanked by segments.erase_person() and erase_rejected(); nothing else changes the log.';
END $$;
