-- Note which topic is published from now on. Another one than before has to be published as a whole, and so has one of
-- which that is not known. Parameters: Kafka's id of it, or null; its partitions.
UPDATE projections.telling AS t SET
    anew = t.anew OR w.is_another,
    anew_because = CASE WHEN w.is_another THEN 'the topic was made anew, or is another Kafka''s'
        ELSE t.anew_because END,
    anew_by = CASE WHEN w.is_another THEN 'project' ELSE t.anew_by END,
    anew_at = CASE WHEN w.is_another THEN clock_timestamp() ELSE t.anew_at END,
    topic_id = coalesce(w.topic_id, t.topic_id),
    partitions = CASE WHEN w.is_another OR t.anew OR t.partitions IS NULL THEN w.partitions ELSE t.partitions END
FROM (
    SELECT n.topic_id, n.partitions, n.topic_id IS NOT NULL AND CASE
        WHEN o.topic_id IS NULL THEN EXISTS (SELECT FROM projections.teller) ELSE o.topic_id <> n.topic_id
    END AS is_another
    FROM projections.telling AS o CROSS JOIN (SELECT $1::uuid AS topic_id, $2::integer AS partitions) AS n
) AS w
RETURNING t.partitions, t.anew
