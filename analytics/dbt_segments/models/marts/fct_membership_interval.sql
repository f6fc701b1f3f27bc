{{ config(
    materialized=growing(),
    incremental_strategy='delete+insert',
    unique_key=['network_id', 'segment_id', 'user_id'],
    indexes=[
        {'columns': ['event_id'], 'unique': true},
        {'columns': ['network_id', 'segment_id', 'user_id']},
        {'columns': ['read_at']},
    ] if target.type == 'postgres' else [],
    pre_hook="{{ forget_erased('read_at') }}",
) }}
-- depends_on: {{ ref('stg_segments__event') }}, {{ source('segments', 'admin_event') }}
-- A late event changes intervals that are over, so all intervals of a changed key are read again. The snapshot and the
-- rows are read in one statement: the table is what the views showed with its newest snapshot.
{% if is_incremental() %}
with changed as (
    select network_id, segment_id, user_id
    from {{ var('segments_schema') }}.changed_keys(
        (select coalesce(max(read_until), '-infinity') from {{ this }})
    )
    union
    select network_id, segment_id, user_id
    from {{ ref('stg_segments__membership_history') }}
    where user_id in ({{ erased_since('read_at') }})
),

interval_ as (
    select found.*
    from changed
    -- OFFSET 0: look each key up by index.
    cross join lateral (
        select * from {{ ref('stg_segments__membership_history') }} as h
        where h.network_id = changed.network_id and h.segment_id = changed.segment_id and h.user_id = changed.user_id
        offset 0
    ) as found
)
{% else %}
with interval_ as (
    select * from {{ ref('stg_segments__membership_history') }}
)
{% endif %}

select
    interval_.event_id,
    {{ segment_key('interval_.network_id', 'interval_.segment_id') }} as segment_key,
    interval_.network_id,
    interval_.segment_id,
    interval_.user_id,
    interval_.valid_from,
    interval_.valid_to,
    interval_.is_current,
    interval_.is_member,
    interval_.override,
    interval_.cause,
    interval_.reference_id,
    interval_.last_recorded_at,
    coalesce(interval_.valid_to = interval_.valid_from, false) as is_instant,
    read.snapshot,
    read.read_until,
    read.read_at
from interval_
cross join {{ ref('stg_segments__read') }} as read
