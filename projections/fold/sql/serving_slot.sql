-- The serving slot. Parameters: projection.
SELECT slot FROM projections.generation WHERE projection = $1
