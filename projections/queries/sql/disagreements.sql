-- Of the next keys of a segment by person_id, those without an override whose last automation outcome says otherwise, each
-- with how many keys were read and the last of them; one row of nulls besides these if there is none.
-- Parameters: $1 segment_key, $2 person_id to continue after, $3 how many keys to read, $4 limit.
WITH next_keys AS MATERIALIZED (
    SELECT m.person_id, m.is_member, m.override, segments.status_word((m.state).automation_says) AS automation_says,
        (m.state).last_change_at AS since
    FROM projections.serving_membership AS m
    WHERE m.segment_key = $1 AND m.person_id > $2
    ORDER BY m.person_id
    LIMIT $3::integer
)
SELECT t.keys, t.last_key, d.person_id, d.user_id, d.is_member, d.automation_says, d.since
FROM (SELECT count(*) AS keys, max(n.person_id) AS last_key FROM next_keys AS n) AS t
LEFT JOIN LATERAL (
    SELECT k.person_id, p.user_id, k.is_member, k.automation_says, k.since
    FROM next_keys AS k
    INNER JOIN segments.person AS p ON k.person_id = p.person_id
    WHERE k.override = 0 AND k.is_member <> (k.automation_says = 'enter')
    ORDER BY k.person_id
    LIMIT $4::integer
) AS d ON true
ORDER BY d.person_id
