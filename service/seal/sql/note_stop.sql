-- Record why sealing is stopped, or null when it continues. Parameters: reason.
UPDATE segments.seal_lease SET stopped_because = $1 WHERE stopped_because IS DISTINCT FROM $1
