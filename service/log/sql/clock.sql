-- Read, once the lane's row is locked: the batch's recorded_at, later than all that the lane said before, and the
-- registry's version. Parameters: lane_id.
SELECT
    greatest(clock_timestamp(), l.recorded_at + interval '1 microsecond', l.quiet_at + interval '1 microsecond') AS now,
    v.version
FROM segments.registry_version AS v CROSS JOIN segments.lane AS l
WHERE l.lane_id = $1
