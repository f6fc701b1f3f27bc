{# The state of each key (network, segment, user) after its events up to `at`, a timestamp on the publishers' clock. With
   `known_at`, only after those that were recorded by then, a timestamp on the database's clock: a report that stays as it was.
   Gives a subquery of network_id, segment_id, user_id, is_member, override. A key without a row is no member. #}
{% macro membership_as_of(at, known_at=none) -%}
{% if known_at is none -%}
(
    select network_id, segment_id, user_id, is_member, override
    from {{ ref('fct_membership_interval') }}
    where valid_from <= {{ at }} and (valid_to > {{ at }} or valid_to is null)
)
{%- else -%}
(
    with placed as (
        select
            *,
            user_status in ('add', 'block', 'reset') as is_statement,
            row_number() over (
                partition by network_id, segment_id, user_id
                order by
                    status_change_timestamp, received_at, kafka_topic, kafka_partition, kafka_offset, kafka_epoch
            ) as place
        from {{ ref('fct_event') }}
        where status_change_timestamp <= {{ at }} and recorded_at <= {{ known_at }}
    ),

    {# A stretch begins with an add, block or reset and ends before the next one. #}
    stretched as (
        select
            *,
            count(case when is_statement then 1 end) over (
                partition by network_id, segment_id, user_id order by place rows unbounded preceding
            ) as stretch
        from placed
    ),

    stated as (
        select
            *,
            max(case when is_statement and user_status <> 'reset' then user_status end) over (
                partition by network_id, segment_id, user_id, stretch
            ) as stated,
            max(case when is_statement then event_id end) over (
                partition by network_id, segment_id, user_id, stretch
            ) as stated_by
        from stretched
    ),

    expiring as (
        select
            *,
            min(case when user_status = 'expire' and reference_id = 'expire:' || stated_by then place end) over (
                partition by network_id, segment_id, user_id, stretch
            ) as expired_at
        from stated
    ),

    standing as (
        select
            *,
            case when expired_at is null or place < expired_at then stated end as override_now
        from expiring
    ),

    {# Automation counts only where no override stands; `expire` and `reset` leave the membership as it is. #}
    decided as (
        select
            *,
            user_status in ('add', 'block') or (user_status in ('enter', 'leave') and override_now is null) as decides,
            row_number() over (partition by network_id, segment_id, user_id order by place desc) as place_from_end
        from standing
    ),

    newest as (
        select
            *,
            max(case when decides then place end) over (partition by network_id, segment_id, user_id) as decided_at
        from decided
    )

    select
        network_id,
        segment_id,
        user_id,
        coalesce(bool_or(user_status in ('add', 'enter') and place = decided_at), false) as is_member,
        max(case when place_from_end = 1 then override_now end) as override
    from newest
    group by network_id, segment_id, user_id
)
{%- endif %}
{%- endmacro %}

{# The state of each key exactly as the views showed it with a snapshot, whatever arrived later; `at` as in membership_as_of.
   Postgres alone: the events below a snapshot's positions are in the log. #}
{% macro membership_as_shown(snapshot, at=none) -%}
{% if execute and target.type != 'postgres' %}
{{ exceptions.raise_compiler_error("membership_as_shown needs the views in Postgres: an export is one snapshot, the one in its manifest.json.") }}
{% endif -%}
{{ var('segments_schema') }}.membership_as_shown({{ snapshot }}{{ ", " ~ at if at is not none }})
{%- endmacro %}
