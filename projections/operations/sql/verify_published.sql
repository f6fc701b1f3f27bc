-- The outboxes are within their limits: memberships are not published ahead of the views, rejected records not ahead of
-- the log, and an expiry is due again after at most an hour. The tolerance for clocks is a minute. It uses
-- clock_timestamp(), because committed times may be later than now().
SELECT v.view, v.key, v.expected, v.found FROM (
    SELECT 'projections.membership_outbox' AS view, coalesce(nullif(concat_ws('-', l.topic, l.partition, l.epoch), ''), 'lane ' || t.lane_id) AS key,
        coalesce('at most ' || coalesce(c.next_offset, l.first_offset), 'a lane') AS expected, t.next_offset::text AS found
    FROM projections.membership_outbox AS t
    LEFT JOIN segments.lane AS l ON t.lane_id = l.lane_id
    LEFT JOIN projections.serving_checkpoint AS c ON t.lane_id = c.lane_id
    WHERE t.lane_id <> 0
        AND (l.lane_id IS NULL OR t.next_offset > coalesce(c.next_offset, l.first_offset))
    UNION ALL
    SELECT 'projections.membership_topic', 'the topic of memberships', 'told as a whole',
        'to be told anew since ' || t.republish_at || ': ' || t.republish_because
    FROM projections.membership_topic AS t WHERE t.republish
    UNION ALL
    SELECT 'segments.rejected_outbox', coalesce(nullif(concat_ws('-', l.topic, l.partition, l.epoch), ''), 'lane ' || y.lane_id),
        coalesce('at most ' || l.next_offset, 'a lane'), y.next_offset::text
    FROM segments.rejected_outbox AS y LEFT JOIN segments.lane AS l ON y.lane_id = l.lane_id
    WHERE l.lane_id IS NULL OR y.next_offset > l.next_offset
    UNION ALL
    SELECT 'projections.expiry', concat_ws('/', s.network_id, s.segment_id, p.user_id) || ' again_at',
        'at most ' || clock_timestamp() + interval '61 minutes', x.again_at::text
    FROM projections.expiry AS x
    LEFT JOIN segments.segment AS s ON x.segment_key = s.segment_key
    LEFT JOIN segments.person AS p ON x.person_id = p.person_id
    WHERE x.again_at > clock_timestamp() + interval '61 minutes'
) AS v ORDER BY 1, 2 LIMIT 100
