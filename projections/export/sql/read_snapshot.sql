-- What a snapshot is of: its networks, or null for all. The keys whose events were all recorded before unmoved_before are as it
-- showed them. Parameters: $1 snapshot.
SELECT r.networks, r.unmoved_before FROM projections.read_snapshot($1) AS r
