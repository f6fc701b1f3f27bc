-- The time before which the recorded rows of lanes are final. As text, because it may be infinite.
SELECT coalesce(min(coalesce(l.quiet_at, '-infinity')), 'infinity')::text FROM segments.lane AS l WHERE NOT l.closed
