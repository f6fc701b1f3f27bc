-- Delete the rows that setup made in tables of one row: the imported ones take their place.
WITH installations AS (
    DELETE FROM segments.installation
), versions AS (
    DELETE FROM segments.source_version
)
DELETE FROM segments.signature_horizon
