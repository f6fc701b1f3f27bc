-- Empty a slot that is not serving. With DELETE: TRUNCATE would wait for every open transaction that has read the views, while
-- new readers queue behind it, and a reader with a snapshot from before the swap would see the old slot empty.
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
