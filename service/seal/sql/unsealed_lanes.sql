-- The lanes with offsets that are not sealed, and the first of these. Parameters: seal.
SELECT w.lane_id, w.first_offset, w.next_offset FROM (
    SELECT l.lane_id, l.next_offset, coalesce((
        SELECT t.next_offset FROM segments.seal_stretch AS t
        WHERE t.seal_id = $1 AND t.lane_id = l.lane_id ORDER BY t.first_offset DESC LIMIT 1
    ), l.first_offset) AS first_offset
    FROM segments.lane AS l
) AS w
WHERE w.first_offset < w.next_offset
ORDER BY w.lane_id
