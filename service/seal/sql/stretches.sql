-- The stretches of a seal with leaves in a range, in order. Parameters: seal, first leaf, end leaf, limit.
SELECT t.first_leaf, t.leaves, t.kind, t.lane_id, t.first_offset, t.next_offset
FROM segments.seal_stretch AS t
WHERE t.seal_id = $1 AND t.first_leaf < $3 AND t.first_leaf >= coalesce((
    SELECT before.first_leaf FROM segments.seal_stretch AS before
    WHERE before.seal_id = $1 AND before.first_leaf <= $2 ORDER BY before.first_leaf DESC LIMIT 1
), 0)
ORDER BY t.first_leaf LIMIT $4
