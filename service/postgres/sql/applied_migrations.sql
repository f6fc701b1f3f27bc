-- The migrations that were applied.
SELECT number, checksum FROM migrations.applied
