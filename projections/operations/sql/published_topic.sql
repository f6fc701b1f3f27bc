-- Kafka's id of the topic of memberships that was published.
SELECT topic_id FROM projections.membership_topic
