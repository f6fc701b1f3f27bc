-- Resume a stopped lane. Parameters: lane_id.
UPDATE segments.lane SET stopped_because = NULL WHERE lane_id = $1
