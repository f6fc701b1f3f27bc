-- Copy the watermarks of the serving slot to the slot that will replace it. Parameters: projection, serving slot, other slot.
UPDATE projections.checkpoint AS n SET complete_until = s.complete_until, recorded_until = s.recorded_until
FROM projections.checkpoint AS s
WHERE n.projection = $1 AND n.slot = $3 AND s.projection = $1 AND s.slot = $2 AND s.lane_id = n.lane_id
