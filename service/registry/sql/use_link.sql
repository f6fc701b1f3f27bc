-- Delete a link, and return its key unless the link is expired, or the key expired or revoked. Expired links are deleted too.
-- Parameters: token_digest.
WITH used AS (
    DELETE FROM segments.sign_in_link WHERE token_digest = $1 OR expires_at <= clock_timestamp() RETURNING token_digest, key_id, expires_at
)
SELECT k.key_id, k.network_id, k.key_name, k.scopes, k.created_at, k.created_by, k.expires_at, k.revoked_at, k.revoked_by,
    k.last_used_at
FROM used AS u INNER JOIN segments.api_key AS k ON u.key_id = k.key_id
WHERE
    u.token_digest = $1 AND u.expires_at > clock_timestamp() AND k.revoked_at IS NULL
    AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
