-- membership_as_of gives what the function of Segments gives, with known_at and without:
-- at SEGMENTS_TEST_AT and SEGMENTS_TEST_KNOWN_AT, or as far as the intervals were read.
{{ config(enabled=(target.type == 'postgres')) }}
{% set read_until = "(select max(read_until) from " ~ ref('fct_membership_interval') ~ ")" %}
{% set at = env_var('SEGMENTS_TEST_AT', '') %}
{% set at = "timestamptz '" ~ at ~ "'" if at else read_until %}
{% set known_at = env_var('SEGMENTS_TEST_KNOWN_AT', '') %}
{% set known_at = "timestamptz '" ~ known_at ~ "'" if known_at else "(" ~ read_until ~ " - interval '1 microsecond')" %}
with by_intervals as (
    select network_id, segment_id, user_id, is_member, override from {{ membership_as_of(at) }} as m
    where is_member or override is not null
),

by_events as (
    select network_id, segment_id, user_id, is_member, override from {{ membership_as_of(at, known_at) }} as m
    where is_member or override is not null
),

of_segments as (
    select network_id, segment_id, user_id, is_member, override
    from {{ var('segments_schema') }}.membership_as_of({{ at }}) as m
    where is_member or override is not null
),

of_segments_then as (
    select network_id, segment_id, user_id, is_member, override
    from {{ var('segments_schema') }}.membership_as_of({{ at }}, {{ known_at }}) as m
    where is_member or override is not null
),

-- Read by the intervals as they were, and by the function as they are now.
unsettled as (
    select network_id, segment_id, user_id from {{ var('segments_schema') }}.changed_keys({{ read_until }})
)

select 'by intervals' as what, d.*
from (
    (select * from by_intervals except select * from of_segments)
    union all
    (select * from of_segments except select * from by_intervals)
) as d
where not exists (
    select 1 from unsettled as u
    where u.network_id = d.network_id and u.segment_id = d.segment_id and u.user_id = d.user_id
)
union all
select 'by events', d.*
from (
    (select * from by_events except select * from of_segments_then)
    union all
    (select * from of_segments_then except select * from by_events)
) as d
