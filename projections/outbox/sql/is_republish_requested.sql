-- Whether a request to publish the topic as a whole is pending.
SELECT republish FROM projections.membership_topic
