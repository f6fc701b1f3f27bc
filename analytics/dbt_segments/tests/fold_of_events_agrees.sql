-- Folding the events gives the current intervals; keys with events after the intervals were read are left out.
with read as (
    select max(read_until) as read_until from {{ ref('fct_membership_interval') }}
),

folded as (
    select network_id, segment_id, user_id, is_member, override
    from {{ membership_as_of("timestamp '2100-01-01'", "timestamp '2100-01-01'") }} as f
    where is_member or override is not null
),

stored as (
    select network_id, segment_id, user_id, is_member, override
    from {{ ref('fct_membership_interval') }}
    where is_current and (is_member or override is not null)
),

difference as (
    (select * from folded except select * from stored)
    union all
    (select * from stored except select * from folded)
)

select d.*
from difference as d
{% if target.type == 'postgres' %}
where not exists (
    select 1
    from {{ ref('fct_event') }} as e
    where e.network_id = d.network_id and e.segment_id = d.segment_id and e.user_id = d.user_id
        and e.recorded_at >= (select read.read_until from read)
)
{% endif %}
