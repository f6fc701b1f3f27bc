CREATE FUNCTION reporting.normalise_user(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN position('@' IN $1) = 0 THEN $1
        ELSE translate(btrim($1, E' \t\n\r\f\x0b'), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') END
$$;
COMMENT ON FUNCTION reporting.normalise_user(text) IS
'The identifier under which a user is stored. In an email (a value with @), A-Z become a-z, and ASCII white space at both ends is removed; any other value is unchanged.';
GRANT EXECUTE ON FUNCTION reporting.normalise_user TO segments_operate, segments_api, segments_report, segments_report_network;

CREATE FUNCTION reporting_network.normalise_user(text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN reporting.normalise_user($1);
COMMENT ON FUNCTION reporting_network.normalise_user(text) IS
'The identifier under which a user is stored. In an email (a value with @), A-Z become a-z, and ASCII white space at both ends is removed; any other value is unchanged.';
GRANT EXECUTE ON FUNCTION reporting_network.normalise_user TO segments_report_network;
