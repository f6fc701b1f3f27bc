-- An event's id: a UUID (version 8) from its position alone, the same after a rebuild or a restore.
CREATE FUNCTION segments.event_id(topic text, partition integer, epoch integer, kafka_offset bigint)
RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT overlay(overlay(md5(topic || '/' || partition || '/' || epoch || '/' || kafka_offset)
        PLACING '8' FROM 13) PLACING 'a' FROM 17)::uuid
$$;
GRANT EXECUTE ON FUNCTION segments.event_id
TO segments_ingest, segments_project, segments_operate, segments_api, segments_report, segments_report_network;
