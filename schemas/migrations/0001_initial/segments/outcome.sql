-- The outcome of an event, from its effect at its place in the fold (effect of key_state) and whether it is superseded.
CREATE FUNCTION segments.outcome(effect smallint, is_superseded boolean) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN is_superseded THEN 'superseded'
    WHEN effect & 8 <> 0 THEN 'ineffective'
    WHEN effect & 7 = 0 THEN 'no_change'
    ELSE 'applied'
END;

-- Whether an event is superseded: an add or block of its key is later in the fold's order and came earlier. An expire never
-- is. first_later: of the adds and blocks that are later in the order the first to arrive, null without one; arrival: when
-- the event did. Both count the key's events in their order of arrival.
CREATE FUNCTION segments.is_superseded(user_status smallint, first_later bigint, arrival bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN user_status <> 6 AND coalesce(first_later < arrival, false);
GRANT EXECUTE ON FUNCTION segments.outcome, segments.is_superseded
TO segments_project, segments_operate, segments_api, segments_report, segments_report_network;
