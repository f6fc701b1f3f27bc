-- Wait for the batches under way, and keep new ones out, until the transaction ends. Parameters: projection.
SELECT FROM projections.generation WHERE projection = $1 FOR UPDATE
