with change as (
    select
        i.segment_key,
        i.network_id,
        i.segment_id,
        cast(i.valid_from at time zone 'UTC' as date) as day,
        i.is_member,
        coalesce(lag(i.is_member) over (
            partition by i.network_id, i.segment_id, i.user_id
            -- The order of the fold: a second may have several changes.
            order by
                i.valid_from, e.received_at, e.kafka_topic, e.kafka_partition, e.kafka_offset, e.kafka_epoch
        ), false) as was_member,
        i.cause in ('enter', 'leave') as by_rule
    from {{ ref('fct_membership_interval') }} as i
    inner join {{ ref('fct_event') }} as e on i.event_id = e.event_id
),

daily as (
    select
        segment_key,
        network_id,
        segment_id,
        day,
        count(case when is_member then 1 end) as members_joined,
        count(case when is_member and by_rule then 1 end) as joined_by_rule,
        count(case when not is_member then 1 end) as members_left,
        count(case when not is_member and by_rule then 1 end) as left_by_rule
    from change
    where is_member <> was_member
    group by segment_key, network_id, segment_id, day
)

select
    segment_key,
    network_id,
    segment_id,
    day,
    cast(sum(members_joined - members_left) over (
        partition by network_id, segment_id order by day rows unbounded preceding
    ) as bigint) as members,
    members_joined,
    joined_by_rule,
    members_left,
    left_by_rule
from daily
