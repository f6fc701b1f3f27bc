{{ config(
    enabled=(target.type == 'postgres'),
    materialized='incremental',
    incremental_strategy='append',
    full_refresh=false,
    indexes=[{'columns': ['network_id', 'segment_id', 'day']}],
) }}
-- A day gets a row whenever a run finds other numbers than the run before: what a report of then showed.
with current_read as (
    select distinct snapshot, read_until, read_at
    from {{ ref('fct_membership_interval') }}
    where read_at = (select max(read_at) from {{ ref('fct_membership_interval') }})
),

now_ as (
    select segment_key, network_id, segment_id, day, members_joined, members_left
    from {{ ref('agg_segment_daily') }}
)

{% if is_incremental() %}
,

shown as (
    select *
    from (
        select *, row_number() over (partition by network_id, segment_id, day order by read_at desc) as nth
        from {{ this }}
    ) as v
    where nth = 1
)

select
    coalesce(now_.segment_key, shown.segment_key) as segment_key,
    coalesce(now_.network_id, shown.network_id) as network_id,
    coalesce(now_.segment_id, shown.segment_id) as segment_id,
    coalesce(now_.day, shown.day) as day,
    coalesce(now_.members_joined, 0) as members_joined,
    coalesce(now_.members_left, 0) as members_left,
    r.snapshot,
    r.read_until,
    r.read_at
from now_
full join shown
    on now_.network_id = shown.network_id and now_.segment_id = shown.segment_id and now_.day = shown.day
cross join current_read as r
where shown.day is null
    or coalesce(now_.members_joined, 0) <> shown.members_joined
    or coalesce(now_.members_left, 0) <> shown.members_left
{% else %}
select now_.*, r.snapshot, r.read_until, r.read_at
from now_
cross join current_read as r
{% endif %}
