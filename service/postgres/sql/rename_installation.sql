-- Give the database another installation id.
UPDATE segments.installation SET installation_id = DEFAULT, made_at = DEFAULT
