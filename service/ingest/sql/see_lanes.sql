-- Store the end offsets of lanes, and that the log is quiet now. Rows are locked first, so that quiet_at is earlier than the next
-- append. Parameters: lane_id[], end offset[], time of the request[] or null.
WITH locked AS MATERIALIZED (
    SELECT l.lane_id FROM segments.lane AS l INNER JOIN unnest($1::integer[]) AS w (lane_id) ON l.lane_id = w.lane_id
    WHERE NOT l.closed ORDER BY l.lane_id FOR UPDATE OF l SKIP LOCKED
)
UPDATE segments.lane AS l SET
    end_offset = w.end_offset, end_seen_at = coalesce(w.seen_at, l.end_seen_at),
    quiet_offset = l.next_offset, quiet_at = clock_timestamp()
FROM unnest($1::integer[], $2::bigint[], $3::timestamptz[]) AS w (lane_id, end_offset, seen_at)
INNER JOIN locked ON locked.lane_id = w.lane_id
WHERE l.lane_id = w.lane_id
