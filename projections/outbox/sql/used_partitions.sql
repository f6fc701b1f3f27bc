-- The number of partitions of the topic that keys are distributed over.
SELECT partitions FROM projections.membership_topic
