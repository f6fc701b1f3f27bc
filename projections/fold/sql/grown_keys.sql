-- Keys with many events after their last kept state. Parameters: slot, the minimum of many events.
SELECT segment_key, person_id FROM projections.membership WHERE slot = $1 AND tail >= $2
