-- Claim the lane that is furthest behind of those with something to fold that nobody folds now; and with it, if little
-- waits in it, more lanes in which little waits. Heavy lanes, which take long, are claimed alone; before all others or after.
-- Parameters: projection, slot, how many records are little, most lanes, heavy lanes, whether these come first.
WITH first_one AS MATERIALIZED (
    SELECT c.lane_id, c.next_offset, l.next_offset AS log_offset
    FROM projections.checkpoint AS c
    INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
    WHERE c.projection = $1 AND c.slot = $2 AND c.next_offset < l.next_offset
    ORDER BY (c.lane_id = ANY ($5::integer[])) <> $6::boolean, c.complete_until
    LIMIT 1
    FOR UPDATE OF c SKIP LOCKED
), more AS MATERIALIZED (
    SELECT c.lane_id, c.next_offset, l.next_offset AS log_offset
    FROM projections.checkpoint AS c
    INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
    WHERE c.projection = $1 AND c.slot = $2 AND c.next_offset < l.next_offset
        AND l.next_offset - c.next_offset <= $3
        AND c.lane_id <> ALL ($5::integer[])
        AND EXISTS (
            SELECT FROM first_one AS f
            WHERE f.log_offset - f.next_offset <= $3 AND f.lane_id <> c.lane_id AND f.lane_id <> ALL ($5::integer[])
        )
    LIMIT $4
    FOR UPDATE OF c SKIP LOCKED
)
SELECT lane_id, next_offset, log_offset FROM first_one
UNION ALL
SELECT lane_id, next_offset, log_offset FROM more
