-- End the sessions of ingest that block an append and have been in one transaction for as long as it has waited, also
-- indirectly, through an erasure that waits for them. A session that waits for a row holds its `tuple` lock, or queues for it;
-- the erasure gate is locked before it. Appends that wait for anything else, such as a command of another lane, are left to the
-- next owner of that lane. It runs as the login itself, which may end its own sessions but may not read the tables, so it uses
-- the catalogs. Parameters: seconds, application_name.
WITH RECURSIVE blocking AS (
    SELECT b.pid FROM pg_locks AS k
    INNER JOIN pg_database AS d ON k.database = d.oid AND d.datname = current_database()
    INNER JOIN pg_class AS c ON k.relation = c.oid
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid AND n.nspname = 'segments'
    INNER JOIN pg_stat_activity AS w ON k.pid = w.pid
    CROSS JOIN LATERAL unnest(pg_blocking_pids(k.pid)) AS b (pid)
    WHERE w.wait_event_type = 'Lock' AND w.application_name = $2
        AND (c.relname = 'lane' AND k.locktype = 'tuple' OR c.relname = 'erasure_gate' AND NOT k.granted)
    UNION
    SELECT b.pid FROM blocking AS w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (pid)
)
SELECT pg_terminate_backend(a.pid), a.pid FROM blocking AS b
INNER JOIN pg_stat_activity AS a ON a.pid = b.pid
WHERE a.wait_event_type IS DISTINCT FROM 'Lock' AND a.application_name = $2 AND a.usename = current_user
    AND a.xact_start < clock_timestamp() - make_interval(secs => $1)
