-- Rules, row security and inheritance of the log's tables; none are allowed.
SELECT 'segments.' || c.relname AS view, 'rule ' || r.rulename AS key, 'none' AS expected, 'a rule' AS found
FROM pg_catalog.pg_rewrite AS r INNER JOIN pg_catalog.pg_class AS c ON r.ev_class = c.oid
WHERE c.relnamespace = 'segments'::regnamespace AND c.relkind IN ('r', 'p')
UNION ALL
SELECT 'segments.' || c.relname, 'row security', 'off', 'on' FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'segments'::regnamespace AND (c.relrowsecurity OR c.relforcerowsecurity)
UNION ALL
SELECT 'segments.' || c.relname, 'inheritance', 'none', i.inhrelid::regclass::text
FROM pg_catalog.pg_inherits AS i INNER JOIN pg_catalog.pg_class AS c ON c.oid IN (i.inhrelid, i.inhparent)
WHERE c.relnamespace = 'segments'::regnamespace AND c.relkind IN ('r', 'p')
ORDER BY 1, 2
