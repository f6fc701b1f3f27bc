CREATE TYPE reporting.segment_overlap AS (
    segment_id bigint, other_segment_id bigint, members bigint, members_of_both bigint, share numeric
);
COMMENT ON TYPE reporting.segment_overlap IS 'A row of overlap().';

CREATE FUNCTION reporting.overlap(network_id text, segment_ids bigint []) RETURNS SETOF reporting.segment_overlap
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH wanted AS MATERIALIZED (
        SELECT s.segment_key, s.segment_id FROM segments.segment AS s
        WHERE s.network_id = overlap.network_id AND s.segment_id = ANY (overlap.segment_ids)
    ), member AS MATERIALIZED (
        SELECT k.segment_key, k.person_id FROM projections.serving_membership AS k
        WHERE k.segment_key = ANY (ARRAY(SELECT w.segment_key FROM wanted AS w)) AND k.is_member
    ), pair AS (
        SELECT m.segment_key, o.segment_key AS other_key, count(*) AS members
        FROM member AS m INNER JOIN member AS o ON m.person_id = o.person_id
        GROUP BY m.segment_key, o.segment_key
    )
    SELECT w.segment_id::bigint, o.segment_id::bigint, coalesce(a.members, 0), coalesce(p.members, 0),
        round(coalesce(p.members, 0)::numeric / a.members, 4)
    FROM wanted AS w CROSS JOIN wanted AS o
    LEFT JOIN pair AS a ON w.segment_key = a.segment_key AND w.segment_key = a.other_key
    LEFT JOIN pair AS p ON w.segment_key = p.segment_key AND o.segment_key = p.other_key
    WHERE w.segment_key <> o.segment_key
    ORDER BY w.segment_id, o.segment_id
$$;
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
