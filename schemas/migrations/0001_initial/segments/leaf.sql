-- The leaves of the seal: the signed content of each row of the log, as canonical JSON (RFC 8785: keys in order, no spaces)
-- of less than 2 KiB. Columns that identify nobody are in clear. The row's digest covers all columns, with free text and
-- identifier as a salted digest, so that a leaf is the same after an erasure. Null members are absent. Times are integers:
-- microseconds since 1970, or seconds if a command has seconds.

-- A member for text that may be long. Text of more than 64 bytes is replaced by its SHA-256, under another name.
CREATE FUNCTION segments.leaf_text(name text, value text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN octet_length(value) <= 64 THEN '"' || name || '":' || to_json(value)::text
    ELSE '"' || name || '_sha256":"' || encode(sha256(convert_to(value, 'UTF8')), 'hex') || '"'
END;

CREATE FUNCTION segments.leaf_digest(name text, value text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN '"' || name || '_sha256":"' || encode(sha256(convert_to(value, 'UTF8')), 'hex') || '"';

-- Exact until 2242, as microseconds of a double are.
CREATE FUNCTION segments.leaf_time(moment timestamptz) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN round(date_part('epoch', moment) * 1000000)::bigint;

-- The rows of a lane in a range of offsets, as leaves, unordered; their order is that of first_offset.
CREATE FUNCTION segments.lane_leaves(lane_id integer, first_offset bigint, end_offset bigint)
RETURNS TABLE (kind text, first_offset bigint, next_offset bigint, recorded_at timestamptz, entry text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT 'event', e.kafka_offset, e.kafka_offset + 1, e.recorded_at, concat(
        '{', segments.leaf_text('actor', e.actor) || ',',
        '"digest":"', encode(e.digest, 'hex'), '",',
        segments.leaf_text('discriminator', nullif(e.discriminator, '')) || ',',
        '"epoch":', l.epoch,
        ',"expires_at":' || date_part('epoch', e.expires_at)::bigint,
        ',"kind":"event","network_id":"', s.network_id, '","offset":', e.kafka_offset, ',"partition":', l.partition,
        ',"person":', e.person_id, ',"received_at":', segments.leaf_time(e.received_at),
        ',"recorded_at":', segments.leaf_time(e.recorded_at),
        ',', segments.leaf_text('reference_id', e.reference_id),
        ',' || segments.leaf_text('request_id', e.request_id),
        ',"segment_id":', s.segment_id, ',' || segments.leaf_text('source', e.source),
        ',"status_change_timestamp":', date_part('epoch', e.status_change_timestamp)::bigint,
        ',"topic":"', l.topic, '","user_status":"', segments.status_word(e.user_status), '"}'
    )
    FROM segments.event AS e
    INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
    CROSS JOIN segments.lane AS l
    WHERE e.lane_id = $1 AND e.kafka_offset >= $2 AND e.kafka_offset < $3 AND l.lane_id = $1
    UNION ALL
    SELECT 'duplicate', d.kafka_offset, d.kafka_offset + 1, d.recorded_at, concat(
        '{"digest":"', encode(d.digest, 'hex'), '","epoch":', l.epoch, ',"kind":"duplicate","network_id":"', s.network_id,
        '","of_epoch":', o.epoch, ',"of_offset":', d.of_offset, ',"of_partition":', o.partition, ',"of_topic":"', o.topic,
        '","offset":', d.kafka_offset, ',"partition":', l.partition, ',"received_at":', segments.leaf_time(d.received_at),
        ',"recorded_at":', segments.leaf_time(d.recorded_at), ',"segment_id":', s.segment_id, ',"topic":"', l.topic, '"}'
    )
    FROM segments.duplicate AS d
    INNER JOIN segments.segment AS s ON d.segment_key = s.segment_key
    INNER JOIN segments.lane AS o ON d.of_lane_id = o.lane_id
    CROSS JOIN segments.lane AS l
    WHERE d.lane_id = $1 AND d.kafka_offset >= $2 AND d.kafka_offset < $3 AND l.lane_id = $1
    UNION ALL
    SELECT 'rejected', r.kafka_offset, r.next_offset, r.recorded_at, concat(
        '{"digest":"', encode(r.digest, 'hex'), '","epoch":', l.epoch, ',"kind":"rejected"',
        ',"network_id":' || to_json(r.network_id)::text, ',"next_offset":', r.next_offset, ',"offset":', r.kafka_offset,
        ',"partition":', l.partition, ',"person":' || r.person_id, ',"reason":"', r.reason,
        '","received_at":', segments.leaf_time(r.received_at), ',"recorded_at":', segments.leaf_time(r.recorded_at),
        ',' || segments.leaf_text('reference_id', r.reference_id), ',"segment_id":' || r.segment_id,
        ',"status_change_timestamp":' || date_part('epoch', r.status_change_timestamp)::bigint,
        ',"topic":"', l.topic, '"', ',"user_status":' || to_json(r.user_status)::text, '}'
    )
    FROM segments.rejected AS r
    CROSS JOIN segments.lane AS l
    WHERE r.lane_id = $1 AND r.kafka_offset >= $2 AND r.kafka_offset < $3 AND l.lane_id = $1
    UNION ALL
    SELECT 'hole', h.first_offset, h.next_offset, h.recorded_at, concat(
        '{', segments.leaf_text('cause', h.cause), ',"digest":"', encode(h.digest, 'hex'), '","epoch":', l.epoch,
        ',"kind":"hole","next_offset":', h.next_offset, ',"offset":', h.first_offset, ',"partition":', l.partition,
        ',"recorded_at":', segments.leaf_time(h.recorded_at), ',"topic":"', l.topic, '"}'
    )
    FROM segments.hole AS h
    CROSS JOIN segments.lane AS l
    WHERE h.lane_id = $1 AND h.first_offset >= $2 AND h.first_offset < $3 AND l.lane_id = $1
$$;
GRANT EXECUTE ON FUNCTION segments.lane_leaves TO segments_seal;

-- The rows with a number instead of a position: changes of the registry, actions on lanes, retries and erasures. The reason of
-- an erasure may name a person, so only its digest is signed.
CREATE VIEW segments.numbered_leaf AS
SELECT
    'registry_event' AS kind, r.version AS number, concat(
        '{', segments.leaf_text('actor', r.actor) || ',', '"archived":', r.archived::text, ',"change":"', r.change,
        '","changed_at":', segments.leaf_time(r.changed_at), ',' || segments.leaf_text('description', r.description),
        ',"is_visible":', r.is_visible::text, ',"kind":"registry_event","network_id":"', s.network_id,
        '","number":', r.version, ',' || segments.leaf_text('reason', r.reason), ',"segment_id":', s.segment_id,
        ',', segments.leaf_text('segment_name', r.segment_name), '}'
    ) AS entry
FROM segments.registry_event AS r
INNER JOIN segments.segment AS s ON r.segment_key = s.segment_key
UNION ALL
SELECT
    'source_event', t.version, concat(
        '{', segments.leaf_text('actor', t.actor) || ',', '"change":"', t.change,
        '","changed_at":', segments.leaf_time(t.changed_at), ',"kind":"source_event"',
        ',' || segments.leaf_text('networks', array_to_json(t.networks)::text), ',"number":', t.version,
        ',' || segments.leaf_text('statuses', array_to_json(t.statuses)::text),
        ',', segments.leaf_text('topic', t.topic), ',', segments.leaf_text('topic_prefix', t.topic_prefix), '}'
    )
FROM segments.source_event AS t
UNION ALL
SELECT
    'analyst_event', a.analyst_event_id, concat(
        '{', segments.leaf_text('actor', a.actor) || ',', '"change":"', a.change,
        '","changed_at":', segments.leaf_time(a.changed_at), ',"kind":"analyst_event","network_id":"', a.network_id,
        '","number":', a.analyst_event_id, ',', segments.leaf_text('role_name', a.role_name), '}'
    )
FROM segments.analyst_event AS a
UNION ALL
SELECT
    'lane_event', x.lane_event_id, concat(
        '{"action":"', x.action, '"', ',' || segments.leaf_text('actor', x.actor), ',' || segments.leaf_text('detail', x.detail),
        ',"epoch":', l.epoch, ',"happened_at":', segments.leaf_time(x.happened_at),
        ',"kind":"lane_event","number":', x.lane_event_id, ',"partition":', l.partition,
        ',' || segments.leaf_text('reason', x.reason), ',"topic":"', l.topic, '"}'
    )
FROM segments.lane_event AS x
INNER JOIN segments.lane AS l ON x.lane_id = l.lane_id
UNION ALL
SELECT
    'retry', t.retry_id, concat(
        '{', segments.leaf_text('actor', t.actor) || ',', '"epoch":', l.epoch, ',"kind":"retry"',
        ',' || segments.leaf_text('network_id', t.network_id), ',"number":', t.retry_id,
        ',"offset":', t.kafka_offset, ',"partition":', l.partition, ',' || segments.leaf_text('retried_as', t.retried_as),
        ',"retried_at":', segments.leaf_time(t.retried_at),
        ',"topic":"', l.topic, '"}'
    )
FROM segments.retry AS t
INNER JOIN segments.lane AS l ON t.lane_id = l.lane_id
UNION ALL
SELECT
    'erasure', x.erasure_id, concat(
        '{', segments.leaf_text('actor', x.actor), ',"erased_at":', segments.leaf_time(x.erased_at),
        ',"kind":"erasure",', segments.leaf_text('network_id', x.network_id), ',"number":', x.erasure_id,
        ',"person":', x.person_id, ',', segments.leaf_digest('reason', x.reason), '}'
    )
FROM segments.erasure AS x
UNION ALL
SELECT
    'rejected_erasure', x.rejected_erasure_id, concat(
        '{', segments.leaf_text('actor', x.actor), ',"epoch":', l.epoch, ',"erased_at":', segments.leaf_time(x.erased_at),
        ',"kind":"rejected_erasure"', ',' || segments.leaf_text('network_id', x.network_id),
        ',"number":', x.rejected_erasure_id, ',"offset":', x.kafka_offset,
        ',"partition":', l.partition, ',', segments.leaf_digest('reason', x.reason), ',"topic":"', l.topic, '"}'
    )
FROM segments.rejected_erasure AS x
INNER JOIN segments.lane AS l ON x.lane_id = l.lane_id;
GRANT SELECT ON segments.numbered_leaf TO segments_seal;
GRANT EXECUTE ON FUNCTION segments.leaf_text, segments.leaf_digest, segments.leaf_time TO segments_seal;

GRANT SELECT ON segments.event, segments.duplicate, segments.rejected, segments.hole, segments.lane, segments.segment,
segments.person, segments.registry_event, segments.source_event, segments.analyst_event, segments.lane_event,
segments.retry, segments.erasure, segments.rejected_erasure TO segments_seal;
GRANT EXECUTE ON FUNCTION segments.status_word,
segments.framed(bytea),
segments.framed(text),
segments.event_covered,
segments.event_digest,
segments.rejected_covered,
segments.personal_digest(bytea, text, text, text, text, text), segments.personal_digest(segments.rejected),
segments.row_digest(segments.rejected), segments.row_digest(segments.duplicate), segments.row_digest(segments.hole),
segments.installation_name TO segments_seal;
GRANT SELECT ON segments.installation TO segments_seal;
GRANT SELECT, INSERT, UPDATE ON segments.topics_owner TO segments_seal;
