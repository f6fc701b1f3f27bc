-- Guarantee 1: each lane's counters equal the numbers of rows.
WITH counted AS (
    SELECT l.lane_id,
        (SELECT count(*) FROM segments.event AS e WHERE e.lane_id = l.lane_id) AS events,
        (SELECT count(*) FROM segments.duplicate AS d WHERE d.lane_id = l.lane_id) AS duplicates,
        (SELECT coalesce(sum(r.next_offset - r.kafka_offset), 0) FROM segments.rejected AS r WHERE r.lane_id = l.lane_id) AS rejected,
        (SELECT coalesce(sum(h.next_offset - h.first_offset), 0) FROM segments.hole AS h WHERE h.lane_id = l.lane_id) AS holes
    FROM segments.lane AS l
)
SELECT 'lane' AS view, concat_ws('-', l.topic, l.partition, l.epoch) || ' counters' AS key,
    concat_ws('/', c.events, c.duplicates, c.rejected, c.holes) AS expected,
    concat_ws('/', l.events, l.duplicates, l.rejected, l.holes) AS found
FROM segments.lane AS l INNER JOIN counted AS c USING (lane_id)
WHERE (c.events, c.duplicates, c.rejected, c.holes) <> (l.events, l.duplicates, l.rejected, l.holes)
ORDER BY 2
