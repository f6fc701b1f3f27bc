-- Fold a part of a long key again. Columns as of projections.refold. Parameters: those of projections.refold.
SELECT r.events, r.is_heavy, r.state::text AS state, r.tail, r.recorded_at, r.received_at, r.begin_lane_id, r.begin_offset
FROM projections.refold(
    $1, $2, $3, $4::integer[], $5::bigint[], $6::bigint[], $7, $8, $9, $10::timestamptz, $11::timestamptz, $12::timestamptz,
    $13::timestamptz
) AS r
