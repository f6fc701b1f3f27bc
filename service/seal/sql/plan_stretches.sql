-- Record the rows of leaves. Parameters: seal, first leaves, numbers of leaves, kinds, lanes, first offsets, next
-- offsets.
INSERT INTO segments.seal_stretch (seal_id, first_leaf, leaves, kind, lane_id, first_offset, next_offset)
SELECT $1, w.first_leaf, w.leaves, w.kind, w.lane_id, w.first_offset, w.next_offset
FROM unnest($2::bigint[], $3::integer[], $4::text[], $5::integer[], $6::bigint[], $7::bigint[])
    AS w (first_leaf, leaves, kind, lane_id, first_offset, next_offset)
