-- Lock lanes for an append, and tell what is so then. Parameters: lane_id[], start[], segment_key[] that the batches name; of
-- segments that were not there network_id[] and segment_id[].
SELECT l.lost, l.stopped_because, l.recorded_at, l.incarnation, l.rules, l.erased_to, l.archived, l.created
FROM segments.lock_lanes($1, $2, $3, $4, $5) AS l
