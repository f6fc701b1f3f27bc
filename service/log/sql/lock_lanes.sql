-- Lock lanes for an append, and read the state of the preconditions. Parameters: lane_id[], start[], segment_key[] of
-- the batches; of segments that did not exist network_id[] and segment_id[].
SELECT l.lost, l.stopped_because, l.recorded_at, l.incarnation, l.rules, l.erased_to, l.archived, l.created
FROM segments.lock_lanes($1, $2, $3, $4, $5) AS l
