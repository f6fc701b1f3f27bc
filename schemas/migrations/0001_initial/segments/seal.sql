-- The seal: the rows that each leaf stands for, and the signed checkpoints. Append-only, except the lease.

-- A log in the sense of RFC 6962, with an origin of its own. Only the newest is continued; `seal reopen` begins another.
CREATE TABLE segments.seal (
    seal_id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT seal_pkey PRIMARY KEY,
    origin text COLLATE "C" NOT NULL CONSTRAINT seal_origin_once UNIQUE,
    reason text,
    actor text,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A round fixes the order of its leaves before anything is signed, so that every process that continues it makes the same
-- tree.
CREATE TABLE segments.seal_round (
    seal_id integer NOT NULL,
    tree_size bigint NOT NULL, -- with this round's leaves
    root bytea NOT NULL,
    recorded_until timestamptz, -- rows of lanes recorded earlier are final
    planned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT seal_round_pkey PRIMARY KEY (seal_id, tree_size)
);

-- The rows of consecutive leaves: of a lane the rows in [first_offset, next_offset), a leaf each, in the order of offsets;
-- otherwise the one row of a kind whose number is first_offset.
CREATE TABLE segments.seal_stretch (
    seal_id integer NOT NULL,
    first_leaf bigint NOT NULL,
    leaves integer NOT NULL,
    kind text NOT NULL, -- lane, or the table of a numbered row
    lane_id integer,
    first_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    CONSTRAINT seal_stretch_pkey PRIMARY KEY (seal_id, first_leaf),
    CONSTRAINT seal_stretch_lane CHECK ((kind = 'lane') = (lane_id IS NOT NULL)),
    CONSTRAINT seal_stretch_is_a_range CHECK (first_offset < next_offset AND leaves > 0)
);
CREATE UNIQUE INDEX seal_stretch_of_lane ON segments.seal_stretch (seal_id, lane_id, first_offset) WHERE lane_id IS NOT NULL;
CREATE UNIQUE INDEX seal_stretch_of_number ON segments.seal_stretch (seal_id, kind, first_offset) WHERE lane_id IS NULL;

CREATE TABLE segments.seal_checkpoint (
    seal_id integer NOT NULL,
    tree_size bigint NOT NULL,
    note text NOT NULL, -- as signed
    signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT seal_checkpoint_pkey PRIMARY KEY (seal_id, tree_size)
);

-- One process at a time seals, and renews the lease with each round. The lease only avoids double work.
CREATE TABLE segments.seal_lease (
    only_row boolean NOT NULL DEFAULT true CONSTRAINT seal_lease_pkey PRIMARY KEY,
    holder uuid,
    until timestamptz NOT NULL DEFAULT '-infinity',
    stopped_because text,
    CONSTRAINT seal_lease_has_one_row CHECK (only_row)
);
INSERT INTO segments.seal_lease (only_row) VALUES (true);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['seal', 'seal_round', 'seal_stretch', 'seal_checkpoint'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON segments.%I FOR EACH ROW
            EXECUTE FUNCTION segments.refuse_change()', name || '_is_immutable', name);
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON segments.%I FOR EACH STATEMENT
            EXECUTE FUNCTION segments.refuse_change()', name || '_is_never_truncated', name);
    END LOOP;
END $$;
GRANT SELECT, INSERT ON segments.seal, segments.seal_round, segments.seal_stretch, segments.seal_checkpoint TO segments_seal;
GRANT SELECT, UPDATE ON segments.seal_lease TO segments_seal;
GRANT SELECT ON segments.seal, segments.seal_round, segments.seal_stretch, segments.seal_checkpoint TO segments_operate;
