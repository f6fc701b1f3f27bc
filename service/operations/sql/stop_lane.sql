-- Set or clear the reason of a lane's stop. Parameters: lane_id, reason or null.
UPDATE segments.lane SET stopped_because = $2 WHERE lane_id = $1
