-- A row that comes with its digest is a copy, as a restore's, and keeps it: it may have been blanked since.
CREATE FUNCTION segments.make_digest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.digest IS NULL THEN
        IF TG_TABLE_NAME = 'rejected' THEN
            new.salt := uuid_send(gen_random_uuid());
        END IF;
        new.digest := segments.row_digest(new);
    END IF;
    RETURN new;
END $$;
