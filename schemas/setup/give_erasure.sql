-- The erasing functions run as a role of their own, because the owner of the tables must not be able to erase. The login gives
-- them away, as it alone is a member of both roles; while migrations run they belong to the owner.
GRANT CREATE ON SCHEMA segments TO segments_erase;
ALTER FUNCTION segments.erase_person OWNER TO segments_erase;
ALTER FUNCTION segments.erase_rejected OWNER TO segments_erase;
REVOKE CREATE ON SCHEMA segments FROM segments_erase;
