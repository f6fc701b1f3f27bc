-- Wait for batches in progress, and block new ones until the transaction ends. Parameters: projection.
SELECT FROM projections.generation WHERE projection = $1 FOR UPDATE
