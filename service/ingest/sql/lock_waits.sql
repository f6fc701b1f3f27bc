-- Sessions of ingest that wait for a lock, with the sessions that hold it or are ahead of them in its queue.
-- Parameters: application_name, minimum seconds.
SELECT w.pid, w.query_start, extract(epoch FROM clock_timestamp() - w.query_start)::integer AS seconds,
    w.wait_event AS lock,
    (SELECT array_agg(b.pid || ' (' || concat_ws(', ', a.usename, nullif(a.application_name, ''), a.state) || ')')
        FROM unnest(pg_blocking_pids(w.pid)) AS b (pid) LEFT JOIN pg_stat_activity AS a ON a.pid = b.pid
    ) AS blocked_by
FROM pg_stat_activity AS w
WHERE w.application_name = $1 AND w.datname = current_database() AND w.usename = session_user
    AND w.wait_event_type = 'Lock' AND w.query_start < clock_timestamp() - make_interval(secs => $2)
