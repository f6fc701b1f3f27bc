-- The outcome of each event below the checkpoints: a byte for each offset of a lane, in blocks of 256 offsets. The byte is 0
-- if the offset has no folded event; else it is 32, plus the event's effect (as in key_state), plus 16 if it is superseded.
-- A byte is written while the key's row in membership is locked.
CREATE TABLE projections.outcome (
    slot smallint NOT NULL,
    lane_id integer NOT NULL,
    block bigint NOT NULL, -- the offset divided by 256
    codes bytea NOT NULL CONSTRAINT outcome_codes_of_a_block CHECK (length(codes) = 256),
    CONSTRAINT outcome_pkey PRIMARY KEY (slot, lane_id, block)
) PARTITION BY LIST (slot);
CREATE TABLE projections.outcome_0 PARTITION OF projections.outcome FOR VALUES IN (0) WITH (fillfactor = 75);
CREATE TABLE projections.outcome_1 PARTITION OF projections.outcome FOR VALUES IN (1) WITH (fillfactor = 75);
GRANT SELECT ON projections.outcome, projections.outcome_0, projections.outcome_1
TO segments_ingest, segments_operate, segments_api;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON projections.outcome, projections.outcome_0, projections.outcome_1
TO segments_project;

-- A block with some codes set, at places from 0. codes: the block before, or null for a new one.
CREATE FUNCTION projections.with_codes(codes bytea, places integer [], new_codes integer [])
RETURNS bytea LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    codes := coalesce(codes, decode(repeat('00', 256), 'hex'));
    FOR nth IN 1 .. coalesce(cardinality(places), 0) LOOP
        codes := set_byte(codes, places[nth], new_codes[nth]);
    END LOOP;
    RETURN codes;
END $$;
GRANT EXECUTE ON FUNCTION projections.with_codes TO segments_project, segments_operate;

-- The union of two blocks without a common place. Only bit strings have an operator for it.
CREATE FUNCTION projections.merged_codes(codes bytea, others bytea) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN substring(
    varbit_send(('x' || encode(codes, 'hex'))::varbit | ('x' || encode(others, 'hex'))::varbit) FROM 5 -- after the length
);
GRANT EXECUTE ON FUNCTION projections.merged_codes TO segments_project;

-- Set codes of events in one block; return their number. Other transactions may set codes of other keys' events in the same
-- block, so several blocks are always set in the order of lane_id and block, which excludes deadlocks.
CREATE FUNCTION projections.set_codes(
    wanted_slot smallint, wanted_lane_id integer, wanted_block bigint, places integer [], new_codes integer []
) RETURNS integer LANGUAGE plpgsql SET enable_seqscan = off AS $$ -- a plan is kept, and may be older than the table is large
BEGIN
    LOOP
        UPDATE projections.outcome AS o SET codes = projections.with_codes(o.codes, places, new_codes)
        WHERE o.slot = wanted_slot AND o.lane_id = wanted_lane_id AND o.block = wanted_block;
        EXIT WHEN FOUND;
        INSERT INTO projections.outcome (slot, lane_id, block, codes)
        VALUES (wanted_slot, wanted_lane_id, wanted_block, projections.with_codes(NULL, places, new_codes))
        ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND; -- else another transaction has just made it
    END LOOP;
    RETURN cardinality(places);
END $$;
GRANT EXECUTE ON FUNCTION projections.set_codes TO segments_project;

-- The code of an event in its block.
CREATE FUNCTION projections.code_in(codes bytea, kafka_offset bigint) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN get_byte(codes, (kafka_offset & 255)::integer);
GRANT EXECUTE ON FUNCTION projections.code_in
TO segments_project, segments_operate, segments_api, segments_report, segments_report_network;
