-- Since when the topic of memberships is to be published as a whole, and why; no row: it is not.
SELECT anew_at, anew_because FROM projections.telling WHERE anew
