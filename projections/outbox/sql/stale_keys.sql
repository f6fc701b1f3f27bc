-- The indexes, from 0, of those keys of the topic that have no state.
-- Parameters: network_id[], segment_id[], user_id[].
SELECT w.number - 1 FROM unnest($1::text[], $2::bigint[], $3::text[])
    WITH ORDINALITY AS w (network_id, segment_id, user_id, number)
WHERE NOT EXISTS (
    SELECT FROM segments.person AS p
    INNER JOIN segments.segment AS s ON s.network_id = p.network_id AND s.segment_id = w.segment_id
    INNER JOIN projections.serving_membership AS m
        ON m.segment_key = s.segment_key AND m.person_id = p.person_id
    WHERE p.user_id = w.user_id AND p.network_id = w.network_id
)
