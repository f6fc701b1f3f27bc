-- The days are those of view segment_size_daily, with what changed since the intervals were read; in an export, the last day
-- of a segment has its current members.
{% if target.type == 'postgres' %}
with current_read as (
    select max(snapshot) as snapshot
    from {{ ref('fct_membership_interval') }}
    where read_at = (select max(read_at) from {{ ref('fct_membership_interval') }})
),

counted as (
    select network_id, segment_id, day, members_joined as joined, members_left as left_
    from {{ ref('agg_segment_daily') }}
    union all
    select c.network_id, c.segment_id, c.day, c.joined_after - c.joined_before, c.left_after - c.left_before
    from current_read as r
    cross join lateral {{ var('segments_schema') }}.changes_between(r.snapshot) as c
    union all
    select network_id, segment_id, day, -members_joined, -members_left
    from {{ source('segments', 'segment_size_daily') }}
)

select network_id, segment_id, day, sum(joined) as joined, sum(left_) as left_
from counted
group by network_id, segment_id, day
having sum(joined) <> 0 or sum(left_) <> 0
{% else %}
with newest as (
    select *, row_number() over (partition by network_id, segment_id order by day desc) as nth
    from {{ ref('agg_segment_daily') }}
),

member as (
    select network_id, segment_id, count(*) as members
    from {{ ref('fct_membership_interval') }}
    where is_current and is_member
    group by network_id, segment_id
)

select n.*
from newest as n
left join member as m on n.network_id = m.network_id and n.segment_id = m.segment_id
where n.nth = 1 and n.members <> coalesce(m.members, 0)
{% endif %}
