-- Note why nothing is sealed; null: it goes on. Parameters: reason.
UPDATE segments.seal_lease SET stopped_because = $1 WHERE stopped_because IS DISTINCT FROM $1
