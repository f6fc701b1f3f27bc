-- Request that the topic is published as a whole. Parameters: reason, actor.
UPDATE projections.membership_topic SET republish = true, republish_because = $1, republish_by = $2, republish_at = clock_timestamp()
