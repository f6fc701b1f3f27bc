-- Tables that hold the rows of the views ready, as somebody would keep who folds by himself: history as a table of intervals
-- (SCD2), and an outcome beside each command; with an index for each question. Functions as far as the questions need them.
-- A table of intervals has no second clock, so membership_as_of ignores known_at.
CREATE SCHEMA by_hand;
CREATE TABLE by_hand.segment_size AS SELECT * FROM reporting.segment_size;
CREATE TABLE by_hand.override AS SELECT * FROM reporting.override;
CREATE TABLE by_hand.membership AS SELECT * FROM reporting.membership;
CREATE TABLE by_hand.user_segment AS SELECT * FROM reporting.user_segment;
CREATE TABLE by_hand.membership_history AS SELECT * FROM reporting.membership_history;
CREATE TABLE by_hand.event AS SELECT * FROM reporting.event;
CREATE TABLE by_hand.result AS SELECT * FROM reporting.result;
CREATE INDEX ON by_hand.override (network_id, since);
CREATE INDEX ON by_hand.membership (network_id, segment_id, user_id);
CREATE INDEX ON by_hand.membership (network_id, segment_id, since);
CREATE INDEX ON by_hand.user_segment (network_id, last_recorded_at);
CREATE INDEX ON by_hand.membership_history (network_id, segment_id, user_id, valid_from);
CREATE INDEX ON by_hand.membership_history (network_id, segment_id, valid_to);
CREATE INDEX ON by_hand.event (event_id);
CREATE INDEX ON by_hand.result (network_id, user_id);
CREATE INDEX ON by_hand.result (network_id, received_at);
CREATE INDEX ON by_hand.result (network_id, segment_id, status_change_timestamp) WHERE changed_membership;

CREATE FUNCTION by_hand.normalise_user(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN lower(trim($1));

CREATE FUNCTION by_hand.membership_as_of(at timestamptz, known_at timestamptz, network_id text)
RETURNS TABLE (segment_id bigint, user_id text, is_member boolean, override text) LANGUAGE sql STABLE AS $$
    SELECT h.segment_id, h.user_id, h.is_member, h.override FROM by_hand.membership_history AS h
    WHERE h.network_id = $3 AND h.valid_from <= $1 AND (h.valid_to > $1 OR h.valid_to IS NULL)
$$;

CREATE FUNCTION by_hand.changed_keys(recorded_from timestamptz, recorded_until timestamptz, network_id text)
RETURNS SETOF by_hand.user_segment LANGUAGE sql STABLE AS $$
    SELECT * FROM by_hand.user_segment AS u
    WHERE u.network_id = $3 AND u.last_recorded_at >= $1 AND u.last_recorded_at < $2
$$;

CREATE FUNCTION by_hand.segment_size_series(
    network_id text, segment_id bigint, "from" timestamptz, "to" timestamptz, unit text, time_zone text
) RETURNS TABLE (starts_at timestamptz, members bigint, members_joined bigint, members_left bigint)
LANGUAGE sql STABLE AS $$
    SELECT c.* FROM (
        SELECT f.local AT TIME ZONE $6 AS starts_at, sum(f.joined - f.departed) OVER (ORDER BY f.local)::bigint, f.joined, f.departed
        FROM (
            SELECT date_trunc($5, r.status_change_timestamp AT TIME ZONE $6) AS local,
                count(*) FILTER (WHERE r.user_status IN ('add', 'enter')) AS joined,
                count(*) FILTER (WHERE r.user_status NOT IN ('add', 'enter')) AS departed
            FROM by_hand.result AS r
            WHERE r.network_id = $1 AND r.segment_id = $2 AND r.changed_membership AND r.status_change_timestamp < $4
            GROUP BY 1
        ) AS f
    ) AS c
    WHERE c.starts_at >= $3
    ORDER BY c.starts_at
$$;

CREATE FUNCTION by_hand.overlap(network_id text, segment_ids bigint [])
RETURNS TABLE (segment_id bigint, other_segment_id bigint, members bigint, members_of_both bigint, share numeric)
LANGUAGE sql STABLE AS $$
    WITH pair AS (
        SELECT m.segment_id, o.segment_id AS other_id, count(*) AS members
        FROM by_hand.membership AS m
        INNER JOIN by_hand.membership AS o ON o.network_id = $1 AND o.segment_id = ANY ($2) AND m.user_id = o.user_id
        WHERE m.network_id = $1 AND m.segment_id = ANY ($2)
        GROUP BY m.segment_id, o.segment_id
    )
    SELECT p.segment_id, p.other_id, a.members, p.members, round(p.members::numeric / a.members, 4)
    FROM pair AS p INNER JOIN pair AS a ON p.segment_id = a.segment_id AND a.segment_id = a.other_id
    WHERE p.segment_id <> p.other_id
    ORDER BY p.segment_id, p.other_id
$$;

GRANT USAGE ON SCHEMA by_hand TO segments_report;
GRANT SELECT ON ALL TABLES IN SCHEMA by_hand TO segments_report;
