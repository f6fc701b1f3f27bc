-- Note that the topic was published as a whole; asked for again meanwhile, it is done again.
-- Parameters: since when it was to be, incarnation.
UPDATE projections.membership_topic SET republish = false WHERE republish_at IS NOT DISTINCT FROM $1 AND segments.incarnation() = $2
