-- Set the number of a key's events after its last kept state. Parameters: slot, segment_key, person_id, number.
UPDATE projections.membership SET tail = $4 WHERE slot = $1 AND segment_key = $2 AND person_id = $3
