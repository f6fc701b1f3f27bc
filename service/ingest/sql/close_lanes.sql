-- Close the lanes of deleted topics that were closed; no watermark waits for them. Parameters: topic[].
UPDATE segments.lane SET closed = true WHERE topic = ANY ($1::text[]) AND NOT closed
