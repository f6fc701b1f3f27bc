-- Whether any lane was ever opened. Parameters: topic[].
SELECT EXISTS (SELECT FROM segments.lane WHERE topic = ANY ($1::text[]))
