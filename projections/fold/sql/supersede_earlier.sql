-- Mark the events that a long key's late adds and blocks supersede before the stretch that is folded again: those up to the
-- kept state where the stretch begins that arrived later than the first of these adds and blocks. They exist only if lanes
-- have reached different receipts.
-- Parameters: slot, segment_key, person_id; the batch, $4 lane_id[], $5 first offset[], $6 next offset[]; $7 projection;
-- $8 lane_id and $9 offset of the kept state.
WITH first_one AS (
    SELECT f.received_at, l.topic, l.partition, f.kafka_offset, l.epoch
    FROM unnest($4::integer[], $5::bigint[], $6::bigint[]) AS w (lane_id, first, until)
    CROSS JOIN LATERAL (
        SELECT * FROM segments.event AS n
        WHERE n.lane_id = w.lane_id AND n.kafka_offset >= w.first AND n.kafka_offset < w.until
        OFFSET 0
    ) AS f
    INNER JOIN segments.lane AS l ON f.lane_id = l.lane_id
    WHERE f.segment_key = $2 AND f.person_id = $3 AND f.user_status <= 2
    ORDER BY f.received_at, l.topic, l.partition, f.kafka_offset, l.epoch
    LIMIT 1
), bound AS MATERIALIZED (
    -- No row, and so no event is read, if all folded events arrived before the first one.
    SELECT k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch,
        ROW(f.received_at, f.topic, f.partition, f.kafka_offset, f.epoch) AS arrival
    FROM first_one AS f
    INNER JOIN projections.membership AS m
        ON m.slot = $1 AND m.segment_key = $2 AND m.person_id = $3 AND m.newest_received_at >= f.received_at
    INNER JOIN projections.kept_state AS k
        ON k.slot = $1 AND k.segment_key = $2 AND k.person_id = $3 AND k.lane_id = $8 AND k.kafka_offset = $9
    INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
)
SELECT count(projections.set_codes($1, s.lane_id, s.block, s.places, s.codes))
FROM (
    SELECT e.lane_id, e.kafka_offset >> 8 AS block, array_agg((e.kafka_offset & 255)::integer) AS places,
        array_agg(o.code | 16) AS codes
    FROM bound AS b
    CROSS JOIN LATERAL (
        SELECT n.* FROM segments.event AS n
        WHERE n.segment_key = $2 AND n.person_id = $3 AND n.user_status <> 6
            AND n.status_change_timestamp <= b.status_change_timestamp
        OFFSET 0
    ) AS e
    INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
    INNER JOIN projections.checkpoint AS c
        ON c.projection = $7 AND c.slot = $1 AND e.lane_id = c.lane_id AND e.kafka_offset < c.next_offset
    CROSS JOIN LATERAL (
        SELECT projections.code_in(x.codes, e.kafka_offset) AS code FROM projections.outcome AS x
        WHERE x.slot = $1 AND x.lane_id = e.lane_id AND x.block = e.kafka_offset >> 8
        OFFSET 0
    ) AS o
    WHERE ROW(e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch) > b.arrival
        AND (e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch)
        <= (b.status_change_timestamp, b.received_at, b.topic, b.partition, b.kafka_offset, b.epoch)
        AND o.code & 16 = 0
    GROUP BY 1, 2
    ORDER BY 1, 2
) AS s
