-- A row inserted with a digest is a copy, for example of a restore, and keeps it, because it may be blanked.
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
