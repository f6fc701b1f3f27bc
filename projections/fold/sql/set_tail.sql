-- Say how many events of a key come after its last kept state. Parameters: slot, segment_key, person_id, how many.
UPDATE projections.membership SET tail = $4 WHERE slot = $1 AND segment_key = $2 AND person_id = $3
