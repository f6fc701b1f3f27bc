CREATE TYPE reporting.segment_overlap AS (
    segment_id bigint, other_segment_id bigint, members bigint, members_of_both bigint, share numeric
);
COMMENT ON TYPE reporting.segment_overlap IS 'A row of overlap().';

-- It names the serving slot's own table: a condition on the slot would keep Postgres from reading members from the index alone.
CREATE FUNCTION reporting.overlap(network_id text, segment_ids bigint []) RETURNS SETOF reporting.segment_overlap
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        $query$
        WITH wanted AS MATERIALIZED (
            SELECT s.segment_id::bigint AS segment_id, coalesce(sum(z.members), 0)::bigint AS members
            FROM segments.segment AS s LEFT JOIN projections.serving_size AS z ON s.segment_key = z.segment_key
            WHERE s.network_id = $1 AND s.segment_id = ANY ($2)
            GROUP BY s.segment_id
        ), pair AS MATERIALIZED (
            SELECT m.segment_id, o.segment_id AS other_id, count(*) AS members
            FROM projections.%1$I AS m INNER JOIN projections.%1$I AS o ON m.person_id = o.person_id
            WHERE m.network_id = $1 AND m.segment_id = ANY ($2) AND m.is_member
              AND o.network_id = $1 AND o.segment_id = ANY ($2) AND o.is_member AND m.segment_id < o.segment_id
            GROUP BY m.segment_id, o.segment_id
        )
        SELECT w.segment_id, o.segment_id, w.members, coalesce(p.members, 0),
            round(coalesce(p.members, 0)::numeric / nullif(w.members, 0), 4)
        FROM wanted AS w INNER JOIN wanted AS o ON w.segment_id <> o.segment_id
        LEFT JOIN pair AS p
            ON p.segment_id = least(w.segment_id, o.segment_id) AND p.other_id = greatest(w.segment_id, o.segment_id)
        ORDER BY w.segment_id, o.segment_id
        $query$,
        (SELECT 'membership_' || s.slot FROM projections.serving AS s)
    ) USING network_id, segment_ids;
END $$;
COMMENT ON FUNCTION reporting.overlap(text, bigint []) IS
'A row for each ordered pair of the given segments of a network: the members of the first, the users who are in both, and these as a share of the members of the first (null without members).';
GRANT EXECUTE ON FUNCTION reporting.overlap TO segments_operate, segments_api, segments_report;

CREATE FUNCTION reporting_network.overlap(network_id text, segment_ids bigint [])
RETURNS SETOF reporting.segment_overlap
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.* FROM segments.visible_networks(overlap.network_id) AS v (network_id)
    CROSS JOIN LATERAL reporting.overlap(v.network_id, overlap.segment_ids) AS r
$$;
COMMENT ON FUNCTION reporting_network.overlap(text, bigint []) IS
'A row for each ordered pair of the given segments of one of your networks: the members of the first, the users who are in both, and these as a share of the members of the first (null without members).';
GRANT EXECUTE ON FUNCTION reporting_network.overlap TO segments_report_network;
