-- The reason of a lane's last skip. Parameters: lane_id.
SELECT reason FROM segments.lane_event WHERE lane_id = $1 AND action = 'skipped' ORDER BY lane_event_id DESC LIMIT 1
