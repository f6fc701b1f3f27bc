-- The outcome of an event as a number: 32, plus its effect in the fold (as in key_state), plus 16 if it is superseded.
CREATE FUNCTION segments.outcome_code(effect smallint, is_superseded boolean) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 32 + effect + CASE WHEN is_superseded THEN 16 ELSE 0 END;

-- The word for an outcome. The number of an event that is not folded yet is 0 or null. Frequent outcomes are tested first.
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

-- Whether an event is superseded: an add or block of its key is later in the fold's order, but arrived earlier. An expire is
-- never superseded. first_later: the first to arrive of the adds and blocks later in the order, or null. arrival: the event's
-- own. Both are places in the order in which the key's events arrived.
CREATE FUNCTION segments.is_superseded(user_status smallint, first_later bigint, arrival bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN user_status <> 6 AND coalesce(first_later < arrival, false);
GRANT EXECUTE ON FUNCTION segments.outcome_code, segments.outcome, segments.is_superseded
TO segments_project, segments_operate, segments_api, segments_report, segments_report_network;
