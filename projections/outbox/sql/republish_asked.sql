-- Since when the topic is to be published as a whole, and why; no row: it is not.
SELECT republish_at, republish_because, segments.incarnation() AS incarnation FROM projections.membership_topic WHERE republish
