-- The erasing functions run as their own role: the owner of the tables must not be able to do what they do.
-- Given away by the login itself, which alone is a member of both; while migrations run they are the owner's.
GRANT CREATE ON SCHEMA segments TO segments_erase;
ALTER FUNCTION segments.erase_person OWNER TO segments_erase;
ALTER FUNCTION segments.erase_rejected OWNER TO segments_erase;
REVOKE CREATE ON SCHEMA segments FROM segments_erase;
