-- Record an operator's action on a lane. Parameters: lane_id, action, reason, actor.
INSERT INTO segments.lane_event (lane_id, action, reason, actor) VALUES ($1, $2, $3, $4)
