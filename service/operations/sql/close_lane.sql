-- Close a lane. Parameters: lane_id.
UPDATE segments.lane SET closed = true WHERE lane_id = $1
