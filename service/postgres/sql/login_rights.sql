-- Whether the login could change the log's tables.
SELECT rolsuper AS super, pg_has_role(session_user, 'segments_owner', 'MEMBER') AS owner, session_user AS login
FROM pg_catalog.pg_roles WHERE rolname = session_user
