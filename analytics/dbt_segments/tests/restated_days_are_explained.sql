-- A day that was over has other numbers than before by just what view retroactive_change lists for it.
{{ config(enabled=(target.type == 'postgres')) }}
with version as (
    select
        *,
        lag(snapshot) over w as before_snapshot,
        lag(read_until) over w as before_read_until,
        members_joined - lag(members_joined) over w as joined_by,
        members_left - lag(members_left) over w as left_by
    from {{ ref('agg_segment_daily_version') }}
    window w as (partition by network_id, segment_id, day order by read_at)
),

restated as (
    select *
    from version
    where before_snapshot is not null and day < cast(before_read_until at time zone 'UTC' as date)
),

explained as (
    select p.before_snapshot, p.snapshot, c.network_id, c.segment_id, c.day,
        sum(c.joined_after - c.joined_before) as joined_by, sum(c.left_after - c.left_before) as left_by
    from (select distinct before_snapshot, snapshot, network_id, segment_id from restated) as p
    cross join lateral {{ var('segments_schema') }}.changes_between(
        p.before_snapshot, p.snapshot, p.network_id, p.segment_id
    ) as c
    inner join {{ source('segments', 'retroactive_change') }} as v
        on c.network_id = v.network_id and c.segment_id = v.segment_id and c.event_id = v.event_id and c.day = v.day
    group by p.before_snapshot, p.snapshot, c.network_id, c.segment_id, c.day
)

select r.*
from restated as r
left join explained as e
    on r.before_snapshot = e.before_snapshot and r.snapshot = e.snapshot
    and r.network_id = e.network_id and r.segment_id = e.segment_id and r.day = e.day
where r.joined_by is distinct from e.joined_by or r.left_by is distinct from e.left_by
