-- The position of each projection's serving slot in each lane. A lane without a checkpoint has the times of the epoch before
-- its adoption, or else the least of the open lanes, so that the watermark does not move when a lane or its checkpoint is
-- made.
CREATE VIEW projections.progress AS
SELECT
    g.projection,
    g.slot,
    l.lane_id,
    c.lane_id IS NOT NULL AS has_checkpoint,
    coalesce(c.next_offset, l.first_offset) AS next_offset,
    coalesce(c.complete_until, f.complete_until, o.complete_until, '-infinity') AS complete_until,
    coalesce(c.recorded_until, f.recorded_until, o.recorded_until, '-infinity') AS recorded_until
FROM segments.lane AS l
CROSS JOIN projections.generation AS g
LEFT JOIN projections.checkpoint AS c ON l.lane_id = c.lane_id AND g.projection = c.projection AND g.slot = c.slot
LEFT JOIN LATERAL (
    SELECT before.complete_until, before.recorded_until
    FROM segments.lane AS former
    INNER JOIN projections.checkpoint AS before
        ON former.lane_id = before.lane_id AND g.projection = before.projection AND g.slot = before.slot
    WHERE
        former.topic = l.topic AND former.partition = l.partition AND former.epoch < l.epoch
        AND EXISTS (SELECT FROM segments.lane_event AS x WHERE x.lane_id = l.lane_id AND x.action = 'adopted')
    ORDER BY former.epoch DESC LIMIT 1
) AS f ON c.lane_id IS NULL
LEFT JOIN LATERAL (
    SELECT min(others.complete_until) AS complete_until, min(others.recorded_until) AS recorded_until
    FROM projections.checkpoint AS others
    INNER JOIN segments.lane AS beside ON others.lane_id = beside.lane_id AND NOT beside.closed
    WHERE others.projection = g.projection AND others.slot = g.slot
) AS o ON c.lane_id IS NULL;
GRANT SELECT ON projections.progress TO segments_project;
