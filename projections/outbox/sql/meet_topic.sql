-- Set the topic that is published. A topic with another id than before, or an unknown one, is published as a whole.
-- Parameters: Kafka's id of it, or null; its number of partitions.
UPDATE projections.membership_topic AS t SET
    republish = t.republish OR w.is_another,
    republish_because = CASE WHEN w.is_another THEN 'the topic was made anew, or is another Kafka''s'
        ELSE t.republish_because END,
    republish_by = CASE WHEN w.is_another THEN 'project' ELSE t.republish_by END,
    republish_at = CASE WHEN w.is_another THEN clock_timestamp() ELSE t.republish_at END,
    topic_id = coalesce(w.topic_id, t.topic_id),
    partitions = CASE WHEN w.is_another OR t.republish OR t.partitions IS NULL THEN w.partitions ELSE t.partitions END
FROM (
    SELECT n.topic_id, n.partitions, n.topic_id IS NOT NULL AND CASE
        WHEN o.topic_id IS NULL THEN EXISTS (SELECT FROM projections.membership_outbox) ELSE o.topic_id <> n.topic_id
    END AS is_another
    FROM projections.membership_topic AS o CROSS JOIN (SELECT $1::uuid AS topic_id, $2::integer AS partitions) AS n
) AS w
RETURNING t.partitions, t.republish
