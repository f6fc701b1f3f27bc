-- The log is immutable: no role is granted UPDATE, DELETE or TRUNCATE on it, and triggers refuse them to the owner too.
-- The only exception is erasure, by a separate role and its functions. In tables that are not append-only (person,
-- idempotency, segment) the triggers protect the columns that must never change.
CREATE FUNCTION segments.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %.% refused: it is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation',
              HINT = 'Free text is blanked by segments.erase_person() and erase_rejected(); nothing else changes the log.';
END $$;
