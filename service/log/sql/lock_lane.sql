-- Lock a lane's row for an append, and keep erasure out until it is over (evict.py knows this line). Parameters: lane_id.
SELECT
    l.next_offset, l.stopped_because, l.closed,
    segments.keep_erasure_out()
FROM segments.lane AS l
WHERE l.lane_id = $1
FOR UPDATE OF l
