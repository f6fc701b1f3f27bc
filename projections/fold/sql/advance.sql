-- Set the times of drained lanes: complete_until, when the partition's end was last seen, less 5 s for clocks, and
-- recorded_until, when the log was last at the checkpoint's position. Neither ever decreases.
-- Parameters: projection, slot.
WITH due AS MATERIALIZED (
    SELECT c.lane_id,
        CASE WHEN c.next_offset >= l.end_offset AND l.stopped_because IS NULL
            THEN l.end_seen_at - interval '5 seconds' END AS complete_until,
        CASE WHEN c.next_offset >= l.quiet_offset THEN l.quiet_at END AS recorded_until
    FROM projections.checkpoint AS c
    INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
    WHERE c.projection = $1 AND c.slot = $2 AND NOT l.closed
    FOR UPDATE OF c SKIP LOCKED
)
UPDATE projections.checkpoint AS c SET
    complete_until = greatest(c.complete_until, due.complete_until),
    recorded_until = greatest(c.recorded_until, due.recorded_until)
FROM due
WHERE c.projection = $1 AND c.slot = $2 AND c.lane_id = due.lane_id
    AND (due.complete_until > c.complete_until OR due.recorded_until > c.recorded_until)
