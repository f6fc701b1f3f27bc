-- Record a migration that was applied. Parameters: number, name, checksum.
INSERT INTO migrations.applied (number, name, checksum) VALUES ($1, $2, $3)
