-- Let a stopped lane go on. Parameters: lane_id.
UPDATE segments.lane SET stopped_because = NULL WHERE lane_id = $1
