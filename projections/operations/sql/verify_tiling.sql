-- Guarantee 1: in each lane events, duplicates, rejected records and holes tile [first_offset, next_offset).
WITH pieces AS (
    SELECT lane_id, kafka_offset AS first, kafka_offset + 1 AS next, 'event' AS kind FROM segments.event
    UNION ALL SELECT lane_id, kafka_offset, kafka_offset + 1, 'duplicate' FROM segments.duplicate
    UNION ALL SELECT lane_id, kafka_offset, next_offset, 'rejected' FROM segments.rejected
    UNION ALL SELECT lane_id, first_offset, next_offset, 'hole' FROM segments.hole
), placed AS (
    SELECT p.*, lag(p.next) OVER (PARTITION BY p.lane_id ORDER BY p.first, p.next) AS before FROM pieces AS p
), ends AS (
    SELECT l.lane_id, l.first_offset, l.next_offset, min(p.first) AS first, max(p.next) AS next
    FROM segments.lane AS l LEFT JOIN pieces AS p USING (lane_id) GROUP BY l.lane_id
), faults AS (
    SELECT lane_id, kind || ' at ' || first AS what, before AS expected, first AS found
    FROM placed WHERE before IS NOT NULL AND before <> first
    UNION ALL
    SELECT lane_id, 'begin', first_offset, first FROM ends WHERE next_offset > first_offset AND first IS DISTINCT FROM first_offset
    UNION ALL
    SELECT lane_id, 'end', next_offset, next FROM ends WHERE next_offset > first_offset AND next IS DISTINCT FROM next_offset
    UNION ALL
    SELECT lane_id, 'end', next_offset, next FROM ends WHERE next_offset = first_offset AND next IS NOT NULL
)
SELECT 'lane' AS view, concat_ws('-', l.topic, l.partition, l.epoch) || ' ' || f.what AS key,
    f.expected::text AS expected, f.found::text AS found
FROM faults AS f LEFT JOIN segments.lane AS l USING (lane_id) ORDER BY 2 LIMIT 100
