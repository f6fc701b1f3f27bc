-- Claim the unclaimed lane with records to fold whose complete_until is the oldest, and with it, if it has few records to
-- fold, more lanes with few records. Heavy lanes, which take long, are claimed one at a time, before or after all others.
-- Parameters: projection, slot, the maximum of few records, maximum of lanes, heavy lanes, whether these come first.
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
