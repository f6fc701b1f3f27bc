-- Whether a lane has something to fold: cheaper than trying to claim one. Parameters: projection.
SELECT EXISTS (
    SELECT FROM projections.generation AS g
    INNER JOIN projections.checkpoint AS c ON g.projection = c.projection AND g.slot = c.slot
    INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
    WHERE g.projection = $1 AND c.next_offset < l.next_offset
)
