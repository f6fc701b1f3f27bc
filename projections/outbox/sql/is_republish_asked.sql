-- Whether the topic is to be published as a whole.
SELECT republish FROM projections.membership_topic
