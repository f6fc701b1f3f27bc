-- Record that a lane is read again. Parameters: lane_id, the offsets.
INSERT INTO segments.lane_event (lane_id, action, reason, detail, actor)
VALUES ($1, 'reread', 'Postgres came back older than it was', $2, 'ingest')
