-- The fold of many events of a key at one call, for a rebuild and for long keys: segments.fold's rule over arrays instead of
-- a state for each event.
-- Calling fold_step for each event costs 2.5 µs, nearly all of it copying a row of fifteen columns; a loop over one
-- array with scalar variables 0.6 µs. Tests hold it equal to segments.fold for every short history and many long ones.

-- The columns of events of overrides that expire; null for any other event.
CREATE TYPE projections.lapse AS (
    expires_at timestamptz,
    expired_lane_id integer,
    expired_offset bigint
);

-- The state of a key after its last event. *_nth: the number of an event in the key's order, from 1; 0 for an event before
-- these, which only the start state has.
CREATE TYPE projections.folded_key AS (
    is_member boolean,
    override smallint,
    automation_says smallint,
    effect smallint,
    member_nth integer, -- began the present membership
    stated_nth integer, -- last stated the standing override
    override_nth integer, -- began it
    change_nth integer, -- the last one with an effect; 0: none of these had one
    expires_at timestamptz,
    interval_nth integer, -- began the current interval; null: none of these did
    interval_effect smallint, -- what that event changed
    -- Each interval, by what began it: 32 times the event's number, 16 if that changed the override, 8 if it changed
    -- is_member, 4 if the user is a member in the interval, and the override in it. 32 alone: the key's first event, if
    -- it changed nothing.
    intervals integer [],
    codes integer [] -- the outcome of each event, as from segments.outcome_code
);

-- The numbers of a key's superseded events, in descending order. The arrays hold the events in the fold's order. places and
-- epochs, by lane_id: the rank of a lane's topic and partition, and its epoch. first_*: the first to arrive of the adds and
-- blocks after these events, or null.
CREATE FUNCTION projections.superseded(
    statuses smallint [], lanes integer [], offsets bigint [], receipts timestamptz [], places integer [], epochs integer [],
    first_at timestamptz, first_place integer, first_offset bigint, first_epoch integer
) RETURNS integer [] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    superseded integer[];
BEGIN
    FOR number IN REVERSE coalesce(cardinality(statuses), 0) .. 1 LOOP
        IF statuses[number] <> 6 AND (first_at, first_place, first_offset, first_epoch)
            < (receipts[number], places[lanes[number]], offsets[number], epochs[lanes[number]])
        THEN
            superseded := superseded || number;
        ELSIF statuses[number] <= 2 THEN -- the first to arrive so far
            first_at := receipts[number];
            first_place := places[lanes[number]];
            first_offset := offsets[number];
            first_epoch := epochs[lanes[number]];
        END IF;
    END LOOP;
    RETURN superseded;
END $$;
GRANT EXECUTE ON FUNCTION projections.superseded TO segments_project;

-- The first arrays hold events of a key in the fold's order; lapses is null if no event has one. places and epochs as above.
-- start: the state before the events; null before a key's first event. Without receipts no event counts as superseded.
CREATE FUNCTION projections.fold_key(
    statuses smallint [], lapses projections.lapse [], lanes integer [], offsets bigint [], receipts timestamptz [],
    places integer [], epochs integer [], start segments.key_state DEFAULT NULL
) RETURNS projections.folded_key LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    nth integer := 0;
    status smallint;
    is_member boolean := false;
    override smallint := 0;
    automation_says smallint;
    expires_at timestamptz;
    stated_nth integer;
    intervals integer[];
    -- The last event that changed membership, that changed the override, that restated it with another expires_at.
    flip_nth integer := 0;
    override_nth integer := 0;
    restated_nth integer := 0;
    effect integer;
    codes integer[] := array_fill(32, ARRAY[coalesce(cardinality(statuses), 0)]);
    number integer;
    newest timestamptz := '-infinity';
    mixed boolean := false;
BEGIN
    IF start.is_member IS NOT NULL THEN
        is_member := start.is_member;
        override := start.override;
        automation_says := start.automation_says;
        expires_at := start.expires_at;
        stated_nth := CASE WHEN override > 0 THEN 0 END;
    END IF;
    -- Each statement here runs for every event of the log: the loop continues early for an event without effect, and
    -- values of the last event alone are computed after it.
    FOREACH status IN ARRAY statuses LOOP
        nth := nth + 1;
        IF status = 4 THEN -- enter
            automation_says := 4;
            IF override > 0 THEN
                codes[nth] := 40;
                CONTINUE;
            END IF;
            CONTINUE WHEN is_member;
        ELSIF status = 5 THEN -- leave
            automation_says := 5;
            IF override > 0 THEN
                codes[nth] := 40;
                CONTINUE;
            END IF;
            CONTINUE WHEN NOT is_member;
        ELSIF status <= 2 THEN -- add, block
            IF override <> status THEN
                override := status;
                override_nth := nth;
            ELSIF lapses[nth].expires_at IS DISTINCT FROM expires_at THEN
                restated_nth := nth;
                codes[nth] := 36;
            END IF;
            stated_nth := nth;
            expires_at := lapses[nth].expires_at;
            IF is_member = (status = 1) THEN
                CONTINUE WHEN override_nth < nth;
                intervals := intervals || (32 * nth + 16 + 4 * is_member::integer + override);
                CONTINUE;
            END IF;
        ELSE -- reset, or an expire: only if the event that it names stated the standing override
            IF status = 3 OR (
                CASE stated_nth WHEN 0 THEN start.stated_lane_id ELSE lanes[stated_nth] END = lapses[nth].expired_lane_id
                AND CASE stated_nth WHEN 0 THEN start.stated_offset ELSE offsets[stated_nth] END = lapses[nth].expired_offset
            ) THEN
                CONTINUE WHEN override = 0;
                override := 0;
                override_nth := nth;
                intervals := intervals || (32 * nth + 16 + 4 * is_member::integer);
                stated_nth := NULL;
                expires_at := NULL;
            ELSE
                codes[nth] := 40;
            END IF;
            CONTINUE;
        END IF;
        is_member := NOT is_member;
        flip_nth := nth;
        intervals := intervals
            || (32 * nth + 16 * (override_nth = nth)::integer + 8 + 4 * is_member::integer + override);
    END LOOP;
    IF start.is_member IS NULL AND (intervals IS NULL OR intervals[1] >= 64) THEN
        intervals := 32 || intervals;
    END IF;

    FOREACH number IN ARRAY coalesce(intervals, '{}') LOOP
        codes[number >> 5] := codes[number >> 5] + (number >> 3 & 3);
    END LOOP;
    effect := codes[nth] & 15;

    -- Events are superseded only if they did not arrive in the fold's order, and one of them is an add or block.
    IF receipts IS NOT NULL AND (1 = ANY (statuses) OR 2 = ANY (statuses)) THEN
        FOR number IN 1 .. nth LOOP
            IF receipts[number] <= newest AND (
                receipts[number] < newest OR lanes[number] <> lanes[number - 1] OR offsets[number] < offsets[number - 1]
            ) THEN
                mixed := true;
                EXIT;
            END IF;
            newest := receipts[number];
        END LOOP;
    END IF;
    IF mixed THEN
        FOREACH number IN ARRAY coalesce(projections.superseded(
            statuses, lanes, offsets, receipts, places, epochs, NULL, NULL, NULL, NULL
        ), '{}') LOOP
            codes[number] := codes[number] + 16;
        END LOOP;
    END IF;
    RETURN ROW(
        is_member, override, automation_says, effect::smallint,
        CASE WHEN is_member THEN flip_nth END, stated_nth, CASE WHEN override > 0 THEN override_nth END,
        greatest(flip_nth, override_nth, restated_nth), expires_at, nullif(greatest(flip_nth, override_nth), 0),
        nullif(intervals[cardinality(intervals)] >> 3 & 3, 0)::smallint, intervals, codes
    );
END $$;
GRANT EXECUTE ON FUNCTION projections.fold_key TO segments_project;
