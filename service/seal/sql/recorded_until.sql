-- Until when rows of lanes are final: none will appear that was recorded by then. As text, as it may be infinite.
SELECT coalesce(min(coalesce(l.quiet_at, '-infinity')), 'infinity')::text FROM segments.lane AS l WHERE NOT l.closed
