-- Append small batches of several lanes at once, if they are only events. Parameters: segments.lane_move[],
-- segments.new_event[]; of the signatures signed_at[] (Unix seconds) and nonce[]; the preconditions: incarnation,
-- version of the topic rules, newest erasure.
SELECT segments.append_many($1, $2, $3, $4, $5, $6, $7)
