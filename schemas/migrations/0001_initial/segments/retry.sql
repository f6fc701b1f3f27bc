-- The retries of rejected records. Append-only, so that `rejected` itself never changes.
CREATE TABLE segments.retry (
    retry_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT retry_pkey PRIMARY KEY,
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    retried_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text,
    network_id text COLLATE "C", -- of the rejected record, if it could be read
    retried_as text -- the position of the new record: topic:partition:epoch:offset
);
CREATE INDEX retry_of_rejected ON segments.retry (lane_id, kafka_offset);
CREATE INDEX retry_by_position ON segments.retry (retried_as);
CREATE INDEX retry_of_network ON segments.retry (network_id, retry_id);
CREATE TRIGGER retry_is_immutable BEFORE UPDATE OR DELETE ON segments.retry
FOR EACH ROW EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER retry_is_never_truncated BEFORE TRUNCATE ON segments.retry
FOR EACH STATEMENT EXECUTE FUNCTION segments.refuse_change();
GRANT SELECT ON segments.retry TO segments_ingest, segments_project, segments_api;
GRANT SELECT, INSERT ON segments.retry TO segments_operate;

-- How many retries led to a rejected record: 0 if it is not a retry.
CREATE FUNCTION segments.retries_before(lane_id integer, kafka_offset bigint) RETURNS integer LANGUAGE sql STABLE AS $$
    WITH RECURSIVE chain AS (
        SELECT $1 AS lane_id, $2 AS kafka_offset, 0 AS retries
        UNION ALL
        SELECT y.lane_id, y.kafka_offset, c.retries + 1
        FROM chain AS c
        INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
        INNER JOIN segments.retry AS y
            ON y.retried_as = (l.topic || ':' || l.partition || ':' || l.epoch || ':' || c.kafka_offset) COLLATE "default"
        WHERE c.retries < 100
    )
    SELECT max(retries) FROM chain
$$;
GRANT EXECUTE ON FUNCTION segments.retries_before TO segments_operate;

-- The rejected records of a selection that were not retried, each with why it can't be retried, or null. A null of the
-- selection selects all. never: the reasons of which no record is retried; most: the retries that may lead to a record.
CREATE FUNCTION segments.retriable(
    reason text, network_id text, segment_id bigint, topic text, received_from timestamptz, received_before timestamptz,
    recorded_until timestamptz, never text[], most integer
) RETURNS TABLE (lane_id integer, kafka_offset bigint, rejected_as text, kafka_topic text, left_out text)
LANGUAGE sql STABLE AS $$
    SELECT
        r.lane_id,
        r.kafka_offset,
        r.reason,
        l.topic,
        CASE
            WHEN r.reason = ANY($8) THEN 'never'
            WHEN r.payload IS NULL THEN 'no_payload'
            WHEN position('@' IN r.headers ->> 'segments-origin') > 0 THEN 'replayed'
            WHEN segments.retries_before(r.lane_id, r.kafka_offset) >= $9 THEN 'too_often'
        END
    FROM segments.rejected AS r
    INNER JOIN segments.lane AS l ON r.lane_id = l.lane_id
    WHERE
        ($1 IS NULL OR r.reason = $1)
        AND ($2 IS NULL OR r.network_id = $2)
        AND ($3 IS NULL OR r.segment_id = $3)
        AND ($4 IS NULL OR l.topic = $4)
        AND ($5 IS NULL OR r.received_at >= $5)
        AND ($6 IS NULL OR r.received_at < $6)
        AND r.recorded_at <= $7
        AND NOT EXISTS (
            SELECT FROM segments.retry AS y WHERE y.lane_id = r.lane_id AND y.kafka_offset = r.kafka_offset
        )
$$;
GRANT EXECUTE ON FUNCTION segments.retriable TO segments_operate;
