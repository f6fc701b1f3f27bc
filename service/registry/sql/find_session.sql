-- The keys of a session by network, without revoked and expired ones, unless the session is expired.
-- Parameters: token_digest.
SELECT k.key_id, k.network_id, k.key_name, k.scopes, k.created_at, k.created_by, k.expires_at, k.revoked_at, k.revoked_by,
    k.last_used_at
FROM segments.session AS s INNER JOIN segments.api_key AS k ON k.key_id = ANY (s.key_id || s.other_keys)
WHERE
    s.token_digest = $1 AND s.expires_at > clock_timestamp() AND k.revoked_at IS NULL
    AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
ORDER BY k.network_id
