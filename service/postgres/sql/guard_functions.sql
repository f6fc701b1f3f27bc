-- The text of functions. Parameters: name[].
SELECT p.proname, p.prosrc FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace = 'segments'::regnamespace AND p.proname = ANY ($1::text[]) ORDER BY 1
