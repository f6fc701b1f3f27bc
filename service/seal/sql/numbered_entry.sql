-- The entry of a row with a number. Parameters: kind, number.
SELECT n.entry FROM segments.numbered_leaf AS n WHERE n.kind = $1 AND n.number = $2
