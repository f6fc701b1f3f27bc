-- Among how many partitions of the topic keys are shared out.
SELECT partitions FROM projections.membership_topic
