-- What became of an event as one number: its effect at its place in the fold (effect of key_state), 16 where it is superseded,
-- and 32.
CREATE FUNCTION segments.outcome_code(effect smallint, is_superseded boolean) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 32 + effect + CASE WHEN is_superseded THEN 16 ELSE 0 END;

-- The word for it; of what is not folded yet the number is 0 or null. What is frequent is found first.
CREATE FUNCTION segments.outcome(code integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE code
    WHEN 33 THEN 'applied'
    WHEN 32 THEN 'no_change'
    WHEN 40 THEN 'ineffective'
    WHEN 34 THEN 'applied'
    WHEN 35 THEN 'applied'
    WHEN 36 THEN 'applied'
    ELSE CASE WHEN code > 0 THEN 'superseded' ELSE 'queued' END
END;

-- Whether an event is superseded: an add or block of its key is later in the fold's order and came earlier. An expire never
-- is. first_later: of the adds and blocks that are later in the order the first to arrive, null without one; arrival: when
-- the event did. Both count the key's events in their order of arrival.
CREATE FUNCTION segments.is_superseded(user_status smallint, first_later bigint, arrival bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN user_status <> 6 AND coalesce(first_later < arrival, false);
GRANT EXECUTE ON FUNCTION segments.outcome_code, segments.outcome, segments.is_superseded
TO segments_project, segments_operate, segments_api, segments_report, segments_report_network;
