-- End a session. Parameters: token_digest.
DELETE FROM segments.session WHERE token_digest = $1
