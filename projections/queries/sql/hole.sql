-- Why the log has no record at an offset; no row for topics that may only carry commands of other networks.
-- Parameters: $1 network_id, $2 lane_id, $3 offset.
SELECT h.cause
FROM (
    SELECT o.next_offset, o.cause FROM segments.hole AS o
    WHERE o.lane_id = $2 AND o.first_offset <= $3
    ORDER BY o.first_offset DESC LIMIT 1
) AS h
WHERE
    h.next_offset > $3
    AND NOT EXISTS (
        SELECT FROM segments.source AS t
        INNER JOIN segments.lane AS l ON t.topic = l.topic
        WHERE l.lane_id = $2 AND t.networks IS NOT NULL AND NOT ARRAY[$1] <@ t.networks
    )
