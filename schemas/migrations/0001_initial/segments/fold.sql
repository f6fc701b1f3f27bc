-- The fold: the effect of one event on the state of its key. The workers, the reporting views, explain and verify call it;
-- projections.fold_key is the same rule for whole keys.
--
-- The columns of a key's state. member_*: the event that began the present membership (null for a non-member). stated_*: the
-- event that last stated the standing override (null without one). valid_from, from_*: when (is_member, override) got its
-- value, and by which event; before the first change the time of the key's first event, and null. from_effect: what that event
-- changed. effect of the newest event: 1 changed membership, 2 changed the override, 4 restated it with another expires_at,
-- 8 was ineffective.
CREATE TYPE segments.key_state AS (
    is_member boolean,
    override smallint,
    automation_says smallint,
    effect smallint,
    member_lane_id integer,
    stated_lane_id integer,
    member_offset bigint,
    stated_offset bigint,
    member_since timestamptz,
    override_since timestamptz,
    expires_at timestamptz,
    last_change_at timestamptz,
    last_recorded_at timestamptz,
    last_timestamp timestamptz,
    last_received_at timestamptz,
    valid_from timestamptz,
    from_offset bigint,
    from_lane_id integer,
    from_status smallint,
    from_effect smallint,
    newest_received_at timestamptz
);

CREATE FUNCTION segments.fold_step(
    state segments.key_state, start segments.key_state,
    user_status smallint, status_change_timestamp timestamptz, received_at timestamptz, recorded_at timestamptz,
    lane_id integer, kafka_offset bigint, expires_at timestamptz, expired_lane_id integer, expired_offset bigint
) RETURNS segments.key_state LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    is_member boolean;
    override smallint;
BEGIN
    IF state IS NULL THEN
        state := start;
        IF state IS NULL THEN
            state.is_member := false;
            state.override := 0;
            state.valid_from := status_change_timestamp;
        END IF;
    END IF;
    is_member := state.is_member;
    override := state.override;
    state.effect := 0;

    IF user_status = 4 THEN -- enter
        state.automation_says := 4;
        IF override = 0 THEN is_member := true; ELSE state.effect := 8; END IF;
    ELSIF user_status = 5 THEN -- leave
        state.automation_says := 5;
        IF override = 0 THEN is_member := false; ELSE state.effect := 8; END IF;
    ELSIF user_status <= 2 THEN -- add, block
        is_member := user_status = 1;
        IF override = user_status AND expires_at IS DISTINCT FROM state.expires_at THEN
            state.effect := 4;
        END IF;
        override := user_status;
        state.stated_lane_id := lane_id;
        state.stated_offset := kafka_offset;
        state.expires_at := expires_at;
    ELSIF user_status = 3 OR (state.stated_lane_id = expired_lane_id AND state.stated_offset = expired_offset) THEN
        override := 0; -- reset, or an expire of the override that still stands
    ELSE
        state.effect := 8; -- an expire that no longer applies
    END IF;

    IF is_member <> state.is_member THEN
        state.effect := state.effect | 1;
        state.is_member := is_member;
        IF is_member THEN
            state.member_since := status_change_timestamp;
            state.member_lane_id := lane_id;
            state.member_offset := kafka_offset;
        ELSE
            state.member_since := NULL;
            state.member_lane_id := NULL;
            state.member_offset := NULL;
        END IF;
    END IF;
    IF override <> state.override THEN
        state.effect := state.effect | 2;
        state.override := override;
        IF override = 0 THEN
            state.override_since := NULL;
            state.stated_lane_id := NULL;
            state.stated_offset := NULL;
            state.expires_at := NULL;
        ELSE
            state.override_since := status_change_timestamp;
        END IF;
    END IF;
    IF state.effect & 3 <> 0 THEN
        state.valid_from := status_change_timestamp;
        state.from_offset := kafka_offset;
        state.from_lane_id := lane_id;
        state.from_status := user_status;
        state.from_effect := state.effect & 3;
    END IF;
    IF state.effect & 7 <> 0 THEN
        state.last_change_at := status_change_timestamp;
    END IF;
    IF state.last_recorded_at IS NULL OR recorded_at > state.last_recorded_at THEN
        state.last_recorded_at := recorded_at;
    END IF;
    IF state.newest_received_at IS NULL OR received_at > state.newest_received_at THEN
        state.newest_received_at := received_at;
    END IF;
    state.last_timestamp := status_change_timestamp;
    state.last_received_at := received_at;
    RETURN state;
END $$;
GRANT EXECUTE ON FUNCTION segments.fold_step
TO segments_project, segments_operate, segments_api, segments_report, segments_report_network;

-- fold(start, event…) over the events of one key, in order; start is the state before them, or null.
CREATE AGGREGATE segments.fold(
    segments.key_state, smallint, timestamptz, timestamptz, timestamptz, integer, bigint, timestamptz, integer, bigint
) (SFUNC = segments.fold_step, STYPE = segments.key_state, PARALLEL = SAFE);
GRANT EXECUTE ON FUNCTION segments.fold
TO segments_project, segments_operate, segments_api, segments_report, segments_report_network;
