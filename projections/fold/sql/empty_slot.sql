-- Empty a slot that does not serve. By DELETE: TRUNCATE would wait for every open transaction that ever read the views, with
-- all new readers queueing behind it, and a reader whose snapshot is older than the swap would find the old slot empty.
-- Parameters: projection, slot.
WITH states AS (
    DELETE FROM projections.membership WHERE slot = $2
), intervals AS (
    DELETE FROM projections.past_interval WHERE slot = $2
), outcomes AS (
    DELETE FROM projections.outcome WHERE slot = $2
), kept_states AS (
    DELETE FROM projections.kept_state WHERE slot = $2
), sizes AS (
    DELETE FROM projections.size WHERE slot = $2
), days AS (
    DELETE FROM projections.size_daily WHERE slot = $2
)
DELETE FROM projections.checkpoint WHERE projection = $1 AND slot = $2
