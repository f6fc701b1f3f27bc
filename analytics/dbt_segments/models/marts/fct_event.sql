{{ config(
    materialized=growing(),
    incremental_strategy='delete+insert',
    unique_key='event_id',
    indexes=[
        {'columns': ['event_id'], 'unique': true},
        {'columns': ['kafka_topic', 'kafka_partition', 'kafka_epoch', 'kafka_offset']},
        {'columns': ['network_id', 'segment_id', 'user_id']},
    ] if target.type == 'postgres' else [],
) }}
-- Read after the intervals, so that it has the event of each of them.
-- depends_on: {{ ref('fct_membership_interval') }}, {{ source('segments', 'admin_event') }}, {{ source('segments', 'lane') }}
{% if is_incremental() %}
with read as (
    select found.*
    from {{ source('segments', 'lane') }} as lane
    -- A lane is appended to in order. OFFSET 0: read it by index from where the table ends.
    cross join lateral (
        select * from {{ ref('stg_segments__event') }} as e
        where e.kafka_topic = lane.kafka_topic and e.kafka_partition = lane.kafka_partition
            and e.kafka_epoch = lane.kafka_epoch
            and e.kafka_offset > coalesce((
                select max(t.kafka_offset) from {{ this }} as t
                where t.kafka_topic = lane.kafka_topic and t.kafka_partition = lane.kafka_partition
                    and t.kafka_epoch = lane.kafka_epoch
            ), -1)
        offset 0
    ) as found
    union
    select * from {{ ref('stg_segments__event') }}
    where user_id in ({{ erased_since('recorded_at') }})
)
{% else %}
with read as (
    select * from {{ ref('stg_segments__event') }}
)
{% endif %}

select
    event_id,
    {{ segment_key('network_id', 'segment_id') }} as segment_key,
    network_id,
    segment_id,
    user_id,
    user_status,
    status_change_timestamp,
    time_given,
    reference_id,
    expires_at,
    received_at,
    recorded_at,
    kafka_topic,
    kafka_partition,
    kafka_epoch,
    kafka_offset,
    source,
    actor,
    metadata,
    description,
    cast(recorded_at at time zone 'UTC' as date) > cast(status_change_timestamp at time zone 'UTC' as date)
        as is_recorded_on_a_later_day
from read
