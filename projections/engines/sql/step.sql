-- Each event of the export with what it did at its place in the fold of its key. Set-based: what stands before an event follows
-- from the last add, block or reset before it, and from the last event that counted for membership.
WITH placed AS (
    SELECT
        network_id, segment_id, user_id, event_id, user_status, status_change_timestamp, received_at, recorded_at,
        kafka_topic, kafka_partition, kafka_epoch, kafka_offset, reference_id, expires_at,
        user_status IN ('add', 'block', 'reset') AS is_statement,
        row_number() OVER (
            PARTITION BY network_id, segment_id, user_id
            ORDER BY received_at, kafka_topic, kafka_partition, kafka_offset, kafka_epoch
        ) AS arrival,
        row_number() OVER (
            PARTITION BY network_id, segment_id, user_id
            ORDER BY status_change_timestamp, received_at, kafka_topic, kafka_partition, kafka_offset, kafka_epoch
        ) AS place
    FROM event
),
-- A stretch begins with an add, block or reset, and ends before the next.
stretched AS (
    SELECT
        *,
        count(CASE WHEN is_statement THEN 1 END) OVER (
            PARTITION BY network_id, segment_id, user_id ORDER BY place ROWS UNBOUNDED PRECEDING
        ) AS stretch
    FROM placed
),
stated AS (
    SELECT
        *,
        max(CASE WHEN is_statement THEN user_status END)
            OVER (PARTITION BY network_id, segment_id, user_id, stretch) AS stated_status,
        max(CASE WHEN is_statement THEN event_id END)
            OVER (PARTITION BY network_id, segment_id, user_id, stretch) AS stated_id,
        max(CASE WHEN is_statement THEN expires_at END)
            OVER (PARTITION BY network_id, segment_id, user_id, stretch) AS stated_expires_at
    FROM stretched
),
-- The first expire in a stretch that names its add or block ends the override.
lapsed AS (
    SELECT
        *,
        min(
            CASE
                WHEN user_status = 'expire' AND stated_status <> 'reset' AND reference_id = 'expire:' || stated_id THEN place
            END
        ) OVER (PARTITION BY network_id, segment_id, user_id, stretch) AS lapse
    FROM stated
),
overridden AS (
    SELECT
        *,
        CASE WHEN stated_status <> 'reset' AND (lapse IS NULL OR place < lapse) THEN stated_status END AS override
    FROM lapsed
),
compared AS (
    SELECT
        *,
        lag(override) OVER (PARTITION BY network_id, segment_id, user_id ORDER BY place) AS override_before,
        lag(stated_expires_at) OVER (PARTITION BY network_id, segment_id, user_id ORDER BY place) AS expires_before
    FROM overridden
),
-- What the event makes of the membership; null if it does not count.
counted AS (
    SELECT
        *,
        CASE
            WHEN user_status IN ('add', 'block') THEN user_status = 'add'
            WHEN user_status IN ('enter', 'leave') AND override_before IS NULL THEN user_status = 'enter'
        END AS makes_member
    FROM compared
),
turned AS (
    SELECT
        *,
        count(makes_member) OVER (
            PARTITION BY network_id, segment_id, user_id ORDER BY place ROWS UNBOUNDED PRECEDING
        ) AS turn
    FROM counted
),
standing AS (
    SELECT
        *,
        coalesce(bool_or(makes_member) OVER (PARTITION BY network_id, segment_id, user_id, turn), false) AS is_member
    FROM turned
),
changed AS (
    SELECT
        *,
        is_member <> coalesce(
            lag(is_member) OVER (PARTITION BY network_id, segment_id, user_id ORDER BY place), false
        ) AS changed_membership,
        override IS DISTINCT FROM override_before AS changed_override,
        min(CASE WHEN user_status IN ('add', 'block') THEN arrival END) OVER (
            PARTITION BY network_id, segment_id, user_id ORDER BY place DESC ROWS UNBOUNDED PRECEDING
        ) AS first_later
    FROM standing
)
SELECT
    network_id, segment_id, user_id, event_id, user_status, status_change_timestamp, received_at, reference_id,
    kafka_topic, kafka_partition, kafka_epoch, kafka_offset, place, is_member, override, changed_membership, changed_override,
    CASE
        WHEN user_status <> 'expire' AND first_later < arrival THEN 'superseded'
        WHEN user_status IN ('enter', 'leave') AND override_before IS NOT NULL THEN 'ineffective'
        WHEN user_status = 'expire' AND place IS DISTINCT FROM lapse THEN 'ineffective'
        WHEN changed_membership OR changed_override THEN 'applied'
        WHEN override_before = user_status AND expires_at IS DISTINCT FROM expires_before THEN 'applied'
        ELSE 'no_change'
    END AS outcome,
    expires_at,
    max(recorded_at) OVER (PARTITION BY network_id, segment_id, user_id) AS last_recorded_at,
    -- Of the key as it stands now.
    first_value(override) OVER (
        PARTITION BY network_id, segment_id, user_id ORDER BY place DESC ROWS UNBOUNDED PRECEDING
    ) AS override_now,
    is_statement AND stretch = max(stretch) OVER (PARTITION BY network_id, segment_id, user_id) AS is_last_statement,
    max(CASE WHEN changed_override THEN status_change_timestamp END)
        OVER (PARTITION BY network_id, segment_id, user_id) AS override_since
FROM changed
