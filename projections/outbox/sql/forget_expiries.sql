-- Delete expiries whose override has ended. Parameters: slot, limit.
DELETE FROM projections.expiry WHERE (segment_key, person_id) IN (
    SELECT x.segment_key, x.person_id FROM projections.expiry AS x
    WHERE (x.topic IS NOT NULL OR x.again_at <= now()) AND NOT EXISTS (
        SELECT FROM projections.membership AS m
        WHERE m.slot = $1 AND m.segment_key = x.segment_key AND m.person_id = x.person_id AND m.expires_at <= now()
    )
    ORDER BY x.segment_key, x.person_id LIMIT $2 FOR UPDATE SKIP LOCKED
)
