-- Delete traces that no worker has taken, because none has an endpoint.
DELETE FROM projections.trace WHERE made_at < clock_timestamp() - interval '1 hour'
