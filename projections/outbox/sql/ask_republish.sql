-- Ask for the topic to be published as a whole. Parameters: why, actor.
UPDATE projections.telling SET anew = true, anew_because = $1, anew_by = $2, anew_at = clock_timestamp()
