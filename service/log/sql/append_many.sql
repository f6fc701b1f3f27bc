-- Append little batches of several lanes at once, if all of it is ordinary. Parameters: lane_id[], expected
-- next_offset[], next_offset[], last record's timestamp[] and digest[], received_at[] (Unix ms); what they rest on: incarnation,
-- version of what topics may say, newest erasure;
-- of the events: lane_id[], kafka_offset[], segment_key[], person_id[], time[] (Unix seconds), received_at[] (Unix
-- ms), user_status[], content[], reference_id[], discriminator[], expires_at[] (Unix seconds), source[], actor[],
-- request_id[], user_sent[], description[], metadata[], what the digest covers besides recorded_at[];
-- of the signatures: signed_at[] (Unix seconds), nonce[].
SELECT segments.append_many(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
    $25, $26, $27, $28, $29
)
