-- The current intervals are what the views showed with the snapshot that they were read with.
{{ config(enabled=(target.type == 'postgres')) }}
with shown as (
    select s.network_id, s.segment_id, s.user_id, s.is_member, s.override
    from (
        select max(snapshot) as snapshot
        from {{ ref('fct_membership_interval') }}
        where read_at = (select max(read_at) from {{ ref('fct_membership_interval') }})
    ) as r
    cross join lateral {{ membership_as_shown('r.snapshot') }} as s
    where s.is_member or s.override is not null
),

stored as (
    select network_id, segment_id, user_id, is_member, override
    from {{ ref('fct_membership_interval') }}
    where is_current and (is_member or override is not null)
)

(select * from shown except select * from stored)
union all
(select * from stored except select * from shown)
