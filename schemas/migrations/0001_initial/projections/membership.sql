-- The state of each key: the columns of segments.key_state, beginning with those that views read for all keys. is_member is
-- null until the transaction that makes the row has folded the key's first events. network_id and segment_id repeat those of
-- segment_key, so that an index on this table has the members of a segment in the order of member_since.
CREATE TABLE projections.membership (
    slot smallint NOT NULL,
    is_member boolean,
    override smallint,
    from_status smallint,
    segment_key integer NOT NULL,
    person_id bigint NOT NULL,
    segment_id bigint NOT NULL,
    valid_from timestamptz,
    last_recorded_at timestamptz,
    from_offset bigint,
    from_lane_id integer,
    from_effect smallint,
    automation_says smallint,
    effect smallint,
    -- The number of events after the key's last kept state, or of all its events without one.
    tail integer NOT NULL DEFAULT 0,
    member_lane_id integer,
    stated_lane_id integer,
    member_offset bigint,
    stated_offset bigint,
    member_since timestamptz,
    override_since timestamptz,
    -- When the override expires. Few keys have one, so the fold seldom writes to its index.
    expires_at timestamptz,
    last_change_at timestamptz,
    last_timestamp timestamptz,
    last_received_at timestamptz,
    newest_received_at timestamptz,
    network_id text COLLATE "C" NOT NULL,
    CONSTRAINT membership_pkey PRIMARY KEY (slot, segment_key, person_id)
) PARTITION BY LIST (slot);
CREATE TABLE projections.membership_0 PARTITION OF projections.membership FOR VALUES IN (0) WITH (fillfactor = 75);
CREATE TABLE projections.membership_1 PARTITION OF projections.membership FOR VALUES IN (1) WITH (fillfactor = 75);
CREATE INDEX membership_of_person ON projections.membership (person_id);
-- For the list of a segment's overrides. Few keys have one, so the fold seldom writes to it.
CREATE INDEX membership_overridden ON projections.membership (segment_key, person_id) WHERE override > 0;
CREATE INDEX membership_lapses ON projections.membership (expires_at, segment_key, person_id) WHERE expires_at IS NOT NULL;
-- The members of a segment by since: pages in either direction, and the count by an index-only scan.
CREATE INDEX membership_since ON projections.membership (network_id, segment_id, member_since, person_id) WHERE is_member;
GRANT SELECT ON projections.membership, projections.membership_0, projections.membership_1
TO segments_ingest, segments_operate, segments_api;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON projections.membership, projections.membership_0, projections.membership_1
TO segments_project;

-- The state in a row. Inlined, so that a query for one column of it reads only that column.
CREATE FUNCTION projections.state_of(row_of_key projections.membership) RETURNS segments.key_state
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(
    row_of_key.is_member, row_of_key.override, row_of_key.automation_says, row_of_key.effect,
    row_of_key.member_lane_id, row_of_key.stated_lane_id, row_of_key.member_offset, row_of_key.stated_offset,
    row_of_key.member_since, row_of_key.override_since, row_of_key.expires_at, row_of_key.last_change_at,
    row_of_key.last_recorded_at, row_of_key.last_timestamp, row_of_key.last_received_at, row_of_key.valid_from,
    row_of_key.from_offset, row_of_key.from_lane_id, row_of_key.from_status, row_of_key.from_effect,
    row_of_key.newest_received_at
)::segments.key_state;
GRANT EXECUTE ON FUNCTION projections.state_of
TO segments_project, segments_operate, segments_api, segments_report, segments_report_network;
