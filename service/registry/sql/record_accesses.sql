-- Record reads of data. Parameters: arrays of $1 network_id, $2 segment_id, $3 user as normalised, $4 actor, $5 key_id,
-- $6 via, $7 route, $8 reads, $9 rows read, $10 the time of the first, $11 of the last.
INSERT INTO segments.access_event (
    network_id, segment_id, person_id, actor, key_id, via, route, reads, rows_read, first_at, last_at
)
SELECT a.network_id, a.segment_id, p.person_id, a.actor, a.key_id, a.via, a.route, a.reads, a.rows_read, a.first_at, a.last_at
FROM unnest(
    $1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::bigint[],
    $10::timestamptz[], $11::timestamptz[]
) AS a (network_id, segment_id, user_id, actor, key_id, via, route, reads, rows_read, first_at, last_at)
LEFT JOIN segments.person AS p ON a.user_id = p.user_id AND a.network_id = p.network_id AND p.erased = 0
