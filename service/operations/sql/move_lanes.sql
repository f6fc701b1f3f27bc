-- Move locked lanes on by compare-and-set. Parameters: segments.lane_move[], recorded_at.
SELECT segments.move_lanes($1, $2)
