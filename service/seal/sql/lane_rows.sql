-- The rows of a stretch of a lane with their entries. Parameters: lane, first offset, end offset.
SELECT e.kind, e.first_offset, e.next_offset, e.entry FROM segments.lane_leaves($1, $2, $3) AS e ORDER BY e.first_offset
