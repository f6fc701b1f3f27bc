-- Stop a lane, unless it has moved or is stopped already. Parameters: $1 lane_id, $2 reason, $3 next offset, $4 incarnation.
WITH lane AS (
    UPDATE segments.lane SET stopped_because = $2
    WHERE lane_id = $1 AND stopped_because IS NULL AND next_offset = $3 AND segments.incarnation() = $4
    RETURNING lane_id
)
INSERT INTO segments.lane_event (lane_id, action, reason, actor) SELECT lane_id, 'stopped', $2, 'ingest' FROM lane
