-- The topic of memberships that was published, by Kafka's id.
SELECT topic_id FROM projections.membership_topic
