-- Record that records are skipped. Parameters: lane_id, reason, detail, actor.
INSERT INTO segments.lane_event (lane_id, action, reason, detail, actor) VALUES ($1, 'skipped', $2, $3, $4)
