-- Entries of a lane in the order of offsets, a line each, with their number and the offset after the last.
-- Parameters: lane, first offset, end offset, recorded until.
SELECT count(*) AS leaves, max(e.next_offset) AS next_offset, string_agg(e.entry, E'\n' ORDER BY e.first_offset) AS entries
FROM segments.lane_leaves($1, $2, $3) AS e
WHERE e.recorded_at <= $4::text::timestamptz
