-- Say why a lane is stopped, or that it is not. Parameters: lane_id, why or null.
UPDATE segments.lane SET stopped_because = $2 WHERE lane_id = $1
