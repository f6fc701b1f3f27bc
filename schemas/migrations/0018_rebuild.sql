-- Keys with an override that is or was to lapse: a rebuild folds them step by step, and all others by sets.
CREATE INDEX event_lapsing ON segments.event (person_id, segment_key) WHERE expires_at IS NOT NULL OR user_status = 6;
