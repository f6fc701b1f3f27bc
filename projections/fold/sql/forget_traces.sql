-- Forget traces that no worker took: those of a worker without an endpoint.
DELETE FROM projections.trace WHERE made_at < clock_timestamp() - interval '1 hour'
