-- The lanes, with their first offsets.
SELECT l.lane_id, l.first_offset, concat_ws(':', l.topic, l.partition, l.epoch) AS name FROM segments.lane AS l
