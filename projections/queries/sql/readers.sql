-- Who read a segment, of the newest reads of the network: the last reader first. Parameters: $1 network_id, $2 segment_id, $3 how
-- many rows of the network are looked at, $4 limit.
SELECT a.actor, a.key_id, a.via, a.route, sum(a.reads)::bigint AS reads, sum(a.rows_read)::bigint AS rows_read, max(a.last_at) AS last_at
FROM (
    SELECT r.actor, r.key_id, r.via, r.route, r.reads, r.rows_read, r.last_at, r.segment_id FROM reporting.access_event AS r
    WHERE r.network_id = $1
    ORDER BY r.last_at DESC
    LIMIT $3::integer
) AS a
WHERE a.segment_id = $2::bigint
GROUP BY a.actor, a.key_id, a.via, a.route
ORDER BY max(a.last_at) DESC, a.actor, a.route
LIMIT $4::integer
