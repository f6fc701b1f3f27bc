-- Record a change of a segment, and increment the version of its network's registry. Parameters: segment_key, change, actor,
-- reason.
WITH recorded AS (
    INSERT INTO segments.registry_event (
        segment_key, change, segment_name, description, is_visible, archived, changed_at, actor, reason
    )
    SELECT s.segment_key, $2, s.segment_name, s.description, s.is_visible, s.archived_at IS NOT NULL, clock_timestamp(), $3, $4
    FROM segments.segment AS s WHERE s.segment_key = $1
)
UPDATE segments.network AS n SET changes = n.changes + 1
FROM segments.segment AS s
WHERE s.segment_key = $1 AND n.network_id = s.network_id
