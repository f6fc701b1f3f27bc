-- The origins of all seals, oldest first.
SELECT s.origin FROM segments.seal AS s ORDER BY s.seal_id
