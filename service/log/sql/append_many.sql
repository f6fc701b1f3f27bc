-- Append little batches of several lanes at once, if all of it is ordinary. Parameters: segments.lane_move[],
-- segments.new_event[]; of the signatures signed_at[] (Unix seconds) and nonce[]; what the batches rest on: incarnation,
-- version of what topics may say, newest erasure.
SELECT segments.append_many($1, $2, $3, $4, $5, $6, $7)
