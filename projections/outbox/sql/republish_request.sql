-- The pending request to publish the topic as a whole: since when, and why. No row without a request.
SELECT republish_at, republish_because, segments.incarnation() AS incarnation FROM projections.membership_topic WHERE republish
