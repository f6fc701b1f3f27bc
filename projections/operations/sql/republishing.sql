-- Since when the topic of memberships is to be published as a whole, and why; no row: it is not.
SELECT republish_at, republish_because FROM projections.membership_topic WHERE republish
