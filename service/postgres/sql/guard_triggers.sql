-- Triggers of the log that are missing, disabled or different.
-- tgtype is a sum: 1 for each row, 2 before, 8 DELETE, 16 UPDATE, 32 TRUNCATE (pg_trigger.h).
-- Parameters: table[], expected function[], expected tgtype[].
SELECT v.view, v.key, v.expected, coalesce(string_agg(CASE t.tgenabled
    WHEN 'D' THEN 'disabled' WHEN 'O' THEN 'not ALWAYS' WHEN 'R' THEN 'on replicas alone' ELSE 'altered' END, ', '),
    'none') AS found
FROM (
    SELECT 'segments.' || g.name AS view, 'trigger for ' || k.does AS key, g.calls || '(), always' AS expected,
        g.name, g.calls, k.does, k.bits, k.event
    FROM unnest($1::text[], $2::text[], $3::text[]) AS g (name, calls, does)
    INNER JOIN (VALUES ('UPDATE', 3, 16), ('DELETE', 3, 8), ('TRUNCATE', 2, 32)) AS k (does, bits, event)
        ON g.does = k.does
) AS v
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = 'segments'::regnamespace AND c.relname = v.name
LEFT JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = c.oid AND t.tgtype & v.event <> 0 AND NOT t.tgisinternal
GROUP BY v.view, v.key, v.expected, v.bits, v.calls
HAVING NOT coalesce(bool_or(
    t.tgenabled = 'A' AND t.tgtype & 3 = v.bits AND t.tgqual IS NULL AND t.tgattr = ''
    AND t.tgfoid = (SELECT p.oid FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = 'segments'::regnamespace AND p.proname = v.calls)
), false)
ORDER BY 1, 2
