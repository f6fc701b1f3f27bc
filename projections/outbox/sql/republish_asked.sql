-- Since when the topic is to be published as a whole, and why; no row: it is not.
SELECT anew_at, anew_because, segments.incarnation() AS incarnation FROM projections.telling WHERE anew
