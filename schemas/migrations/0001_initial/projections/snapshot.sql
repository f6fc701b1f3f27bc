-- Snapshot tokens: the content of the views at a moment, as the projected position of each lane. Equal states have equal
-- tokens.
-- "s1", then in URL-safe base64:
--   4 bytes  the installation
--   5 bytes  evidence of the log: a digest of the last event of each lane below its position
--   4 bytes  the registry's version: the number of changes to the networks' segments
--   1 byte   length of a lane_id, 1 byte: length of an offset, 2 bytes: length of the networks
--   the networks, separated by commas; empty: all
--   for each lane with a projected record: its lane_id and its next offset
--   3 bytes  a checksum

-- The digest of the last event below each checkpoint, stored so that a token of the present needs no look-up.
ALTER TABLE projections.checkpoint ADD COLUMN last_digest bytea;
CREATE FUNCTION projections.last_digest(lane_id integer, next_offset bigint) RETURNS bytea LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT e.digest FROM segments.event AS e WHERE e.lane_id = $1 AND e.kafka_offset < $2
        ORDER BY e.kafka_offset DESC LIMIT 1);
END $$;
CREATE FUNCTION projections.keep_last_digest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.last_digest := projections.last_digest(new.lane_id, new.next_offset);
    RETURN new;
END $$;
GRANT EXECUTE ON FUNCTION projections.last_digest, projections.keep_last_digest TO segments_project;
CREATE TRIGGER checkpoint_keeps_last_digest BEFORE INSERT OR UPDATE OF next_offset ON projections.checkpoint
FOR EACH ROW EXECUTE FUNCTION projections.keep_last_digest();

-- Distinguishes this log from one with other events at the same positions, for example after a restore of an older copy. The
-- digest of an event covers its recorded_at.
CREATE FUNCTION projections.lane_evidence(
    topic text, partition integer, epoch integer, next_offset bigint, last_digest bytea
) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
RETURN textsend(topic) || int4send(partition) || int4send(epoch) || int8send(next_offset) || coalesce(last_digest, '');

-- The first bytes of the installation's id. A restored dump has the same id: then the evidence differs.
CREATE FUNCTION projections.snapshot_installation() RETURNS bytea LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT substr(uuid_send(i.installation_id), 1, 4) FROM segments.installation AS i);
END $$;

-- The token of the present content for some networks, with the lanes that were ever allowed to carry them; null: for all.
CREATE FUNCTION projections.make_snapshot(networks text [] DEFAULT NULL) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    scope bytea := convert_to(coalesce(array_to_string(networks, ','), ''), 'UTF8');
    content bytea;
BEGIN
    SELECT projections.snapshot_installation() || substr(sha256(coalesce(string_agg(w.evidence, ''), '')), 1, 5)
        || (
            SELECT int4send(coalesce(sum(n.changes), 0)::integer) FROM segments.network AS n
            WHERE make_snapshot.networks IS NULL OR n.network_id = ANY (make_snapshot.networks)
        )
        || substr(int4send(coalesce(max(w.lane_size), 1)), 4) || substr(int4send(coalesce(max(w.position_size), 1)), 4)
        || substr(int4send(length(scope)), 3) || scope
        || coalesce(string_agg(
            substr(int4send(w.lane_id), 5 - w.lane_size) || substr(int8send(w.next_offset), 9 - w.position_size), ''
        ), '')
    INTO content
    FROM (
        SELECT l.lane_id, c.next_offset,
            projections.lane_evidence(l.topic, l.partition, l.epoch, c.next_offset, c.last_digest) AS evidence,
            (length(to_hex(max(l.lane_id) OVER ())) + 1) / 2 AS lane_size,
            (length(to_hex(max(c.next_offset) OVER ())) + 1) / 2 AS position_size
        FROM segments.lanes_of(networks) AS l
        INNER JOIN projections.checkpoint AS c ON l.lane_id = c.lane_id AND l.first_offset < c.next_offset
        WHERE c.projection = 'membership' AND c.slot = (SELECT s.slot FROM projections.serving AS s)
        ORDER BY l.lane_id
    ) AS w;
    RETURN 's1' || translate(encode(content || substr(sha256(content), 1, 3), 'base64'), E'+/=\n', '-_');
END $$;
GRANT EXECUTE ON FUNCTION projections.make_snapshot TO segments_operate, segments_api;

-- The content of a token: its networks (null: all), and the projected position of each lane. unmoved_before: keys whose events
-- were all recorded before it are unchanged. Raises invalid_parameter_value if the token is invalid or of another log, or if a
-- requested network is not in it.
CREATE FUNCTION projections.read_snapshot(
    token text, asked text [] DEFAULT NULL,
    OUT networks text [], OUT version integer, OUT lanes integer [], OUT positions bigint [], OUT unmoved_before timestamptz
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    content bytea;
    lane_size integer;
    position_size integer;
    begins integer;
    said text := CASE WHEN token ~ '^s1[A-Za-z0-9_-]+$' AND length(token) % 4 <> 3 THEN substr(token, 3) END;
BEGIN
    content := decode(translate(said, '-_', '+/') || repeat('=', -length(said) & 3), 'base64');
    IF content IS NULL OR length(content) < 20
        OR substr(content, length(content) - 2) <> substr(sha256(substr(content, 1, length(content) - 3)), 1, 3)
    THEN
        RAISE EXCEPTION 'this is no snapshot, or it was cut or altered'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'reporting.snapshot() returns one.';
    ELSIF substr(content, 1, 4) <> projections.snapshot_installation() THEN
        RAISE EXCEPTION 'this snapshot is of another installation' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    version := ('x' || encode(substr(content, 10, 4), 'hex'))::bit(32)::integer;
    lane_size := get_byte(content, 13);
    position_size := get_byte(content, 14);
    begins := 18 + 256 * get_byte(content, 15) + get_byte(content, 16);
    IF begins > 18 THEN
        networks := string_to_array(convert_from(substr(content, 18, begins - 18), 'UTF8'), ',');
    END IF;
    IF NOT asked <@ networks THEN
        RAISE EXCEPTION 'this snapshot is of network %, and says nothing of others', array_to_string(networks, ', ')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT coalesce(array_agg(d.lane_id ORDER BY d.lane_id), '{}'), coalesce(array_agg(d.next_offset ORDER BY d.lane_id), '{}')
    INTO lanes, positions
    FROM (
        SELECT
            ('x' || lpad(encode(substr(content, p.place, lane_size), 'hex'), 8, '0'))::bit(32)::integer AS lane_id,
            ('x' || lpad(encode(substr(content, p.place + lane_size, position_size), 'hex'), 16, '0'))::bit(64)::bigint
                AS next_offset
        FROM generate_series(begins, length(content) - 3, lane_size + position_size) AS p (place)
        WHERE p.place < length(content) - 2
    ) AS d;
    IF EXISTS (
        SELECT FROM unnest(lanes, positions) AS w (lane_id, next_offset)
        LEFT JOIN projections.serving_checkpoint AS c ON w.lane_id = c.lane_id
        WHERE c.next_offset IS NULL OR c.next_offset < w.next_offset
    ) THEN
        RAISE EXCEPTION 'this snapshot is of a later state than this database has: it came back older, and has not caught up'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF substr(content, 5, 5) <> (
        SELECT substr(sha256(coalesce(string_agg(projections.lane_evidence(
            l.topic, l.partition, l.epoch, w.next_offset, projections.last_digest(w.lane_id, w.next_offset)
        ), '' ORDER BY w.lane_id), '')), 1, 5)
        FROM unnest(lanes, positions) AS w (lane_id, next_offset)
        INNER JOIN segments.lane AS l ON w.lane_id = l.lane_id
    ) THEN
        RAISE EXCEPTION 'this snapshot is of another log: of a copy, or of this one before it came back older and went on anew'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT coalesce(min(e.recorded_at), 'infinity') INTO unmoved_before
    FROM segments.lanes_of(networks) AS l
    LEFT JOIN unnest(lanes, positions) AS w (lane_id, next_offset) ON l.lane_id = w.lane_id
    CROSS JOIN LATERAL (
        SELECT x.recorded_at FROM segments.event AS x
        WHERE x.lane_id = l.lane_id AND x.kafka_offset >= coalesce(w.next_offset, l.first_offset)
        ORDER BY x.kafka_offset LIMIT 1
    ) AS e;
END $$;
GRANT EXECUTE ON FUNCTION projections.read_snapshot TO segments_operate, segments_api;
