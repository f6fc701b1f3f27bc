-- Compares the last values in the topic of memberships with the states. A round of publishing may be in progress, so keys
-- with an event beyond the published position are not compared. Parameters: the topic's name.
WITH last AS (
    SELECT DISTINCT ON (key, partition) key, partition, recorded_at, said FROM published
    ORDER BY key, partition, kafka_offset DESC
), said AS (
    SELECT key, count(*) AS places, max(recorded_at) AS recorded_at, min(said) AS said FROM last
    WHERE said IS NOT NULL GROUP BY key
), states AS (
    SELECT u.network_id || ':' || u.segment_id || ':' || u.user_id AS key, u.last_recorded_at AS recorded_at,
        concat_ws(' ', u.is_member, coalesce(u.override, '-')) AS said,
        EXISTS (
            SELECT FROM segments.event AS e
            INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
            LEFT JOIN projections.membership_outbox AS t ON e.lane_id = t.lane_id
            WHERE e.person_id = p.person_id AND e.segment_key = s.segment_key
                AND e.kafka_offset >= coalesce(t.next_offset, l.first_offset)
        ) AS waits
    FROM reporting.user_segment AS u
    INNER JOIN segments.segment AS s ON s.network_id = u.network_id AND s.segment_id = u.segment_id
    INNER JOIN segments.person AS p ON p.network_id = u.network_id AND p.user_id = u.user_id
)
SELECT $1::text AS view, coalesce(states.key, said.key) AS key,
    CASE WHEN said.places > 1 THEN 'one last word' ELSE coalesce(states.said, 'nothing') END AS expected,
    CASE WHEN said.places > 1 THEN 'one in each of ' || said.places || ' partitions'
        ELSE coalesce(said.said, 'nothing') END AS found
FROM states FULL JOIN said ON states.key = said.key
WHERE NOT coalesce(states.waits, false) AND (
    said.places > 1
    OR said.key IS NULL
    OR (states.key IS NULL AND coalesce(said.recorded_at, '-infinity') <= (SELECT max(recorded_at) FROM states))
    OR coalesce(said.recorded_at, '-infinity') < states.recorded_at
    OR (said.recorded_at = states.recorded_at AND said.said <> states.said)
)
ORDER BY 2 LIMIT 100
