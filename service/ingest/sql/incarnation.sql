-- The incarnation of Postgres, and the newest erasure.
SELECT segments.incarnation(), (SELECT coalesce(max(x.erasure_id), 0) FROM segments.erasure AS x)
