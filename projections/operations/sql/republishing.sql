-- The pending request to publish the topic of memberships as a whole: since when, and why. No row without a request.
SELECT republish_at, republish_because FROM projections.membership_topic WHERE republish
