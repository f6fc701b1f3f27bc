-- How far the seal that goes on is: origin, tree size, the newest checkpoint, and why nothing is sealed if so.
SELECT s.origin, s.opened_at, c.tree_size, c.signed_at, l.stopped_because, coalesce(l.until > clock_timestamp(), false) AS is_running
FROM segments.seal_lease AS l
LEFT JOIN LATERAL (SELECT * FROM segments.seal AS n ORDER BY n.seal_id DESC LIMIT 1) AS s ON true
LEFT JOIN LATERAL (
    SELECT k.tree_size, k.signed_at FROM segments.seal_checkpoint AS k
    WHERE k.seal_id = s.seal_id ORDER BY k.tree_size DESC LIMIT 1
) AS c ON true
