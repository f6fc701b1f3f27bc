-- The slot that serves. Parameters: projection.
SELECT slot FROM projections.generation WHERE projection = $1
