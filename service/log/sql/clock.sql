-- Read, once the lane's row is locked: the batch's recorded_at, later than all that the lane said before, and what the batch
-- rests on: which of its segments are archived, and whether one that was not there is. Parameters: lane_id, the batch's
-- segment_key[]; of those that were not there network_id[] and segment_id[].
SELECT
    greatest(clock_timestamp(), l.recorded_at + interval '1 microsecond', l.quiet_at + interval '1 microsecond') AS now,
    segments.incarnation() AS incarnation,
    (SELECT v.version FROM segments.source_version AS v) AS rules,
    (SELECT coalesce(max(x.erasure_id), 0) FROM segments.erasure AS x) AS erased_to,
    ARRAY(
        SELECT s.segment_key FROM segments.segment AS s
        WHERE s.segment_key = ANY($2::integer []) AND s.archived_at IS NOT NULL
    ) AS archived,
    EXISTS (
        SELECT FROM unnest($3::text [], $4::integer []) AS w (network_id, segment_id)
        CROSS JOIN LATERAL (
            SELECT FROM segments.segment AS s
            WHERE s.network_id = w.network_id AND s.segment_id = w.segment_id OFFSET 0
        ) AS made
    ) AS created
FROM segments.lane AS l
WHERE l.lane_id = $1
