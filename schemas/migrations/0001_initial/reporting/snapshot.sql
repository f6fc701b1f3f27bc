CREATE FUNCTION reporting.snapshot() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN projections.make_snapshot();
COMMENT ON FUNCTION reporting.snapshot() IS
'A token of what the views show now, for membership_as_shown(). In a query, or a repeatable read transaction, it belongs to the rows that are read with it.';
GRANT EXECUTE ON FUNCTION reporting.snapshot TO segments_operate, segments_api, segments_report;

-- Of the caller's networks only; null if the caller has none. The caller is the session's user, as in membership_as_of().
CREATE FUNCTION reporting_network.snapshot() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    visible text[] := (SELECT array_agg(v.name) FROM segments.visible_networks() AS v (name));
BEGIN
    RETURN CASE WHEN visible IS NOT NULL THEN projections.make_snapshot(visible) END;
END $$;
COMMENT ON FUNCTION reporting_network.snapshot() IS
'A token of what the views show now of your networks, for membership_as_shown(). In a query, or a repeatable read transaction, it belongs to the rows that are read with it.';
GRANT EXECUTE ON FUNCTION reporting_network.snapshot TO segments_report_network;
