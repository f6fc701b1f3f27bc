-- Clear the request to publish the topic as a whole, unless it was requested again meanwhile.
-- Parameters: the time of the request, incarnation.
UPDATE projections.membership_topic SET republish = false WHERE republish_at IS NOT DISTINCT FROM $1 AND segments.incarnation() = $2
