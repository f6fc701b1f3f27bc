-- Events, and their digests computed again from each row. Erased people have no salt any more: their earlier events are
-- blanked, as `blanked` shows; those of later expiries are not.
SELECT concat_ws('-', l.topic, l.partition, l.epoch, e.kafka_offset) AS key, p.salt, e.content, e.digest,
    segments.event_digest(
        e, CASE WHEN p.erased > 0 AND e.blanked IS NOT NULL THEN e.blanked ELSE segments.personal_digest(
            p.salt, p.network_id, p.user_id, e.user_sent, e.description, e.metadata::text
        ) END,
        s.segment_id, l.topic, l.partition, l.epoch
    ) AS of_row,
    e.blanked IS NOT NULL AS blanked, p.erased > 0 AS erased,
    (e.user_sent, e.description, e.metadata::text) IS NULL AS blank,
    segments.status_word(e.user_status) AS user_status,
    extract(epoch FROM e.expires_at)::bigint AS expires_at, e.metadata::text AS metadata, e.description,
    e.reference_id, e.discriminator = '' AS time_given,
    e.user_sent IS NOT NULL AND reporting.normalise_user(e.user_sent) <> p.user_id AS another
FROM segments.event AS e
INNER JOIN segments.person AS p ON e.person_id = p.person_id
INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
