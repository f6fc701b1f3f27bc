{# The materialization of what grows with the log: an export is read as a whole, Postgres by what is new. #}
{% macro growing() -%}
{{ return('incremental' if target.type == 'postgres' else 'table') }}
{%- endmacro %}

{# Erased people, as erased:<n>, since a day before the newest value of a column of the model; longer ago they were read. #}
{% macro erased_since(column) -%}
select object from {{ source('segments', 'admin_event') }}
where kind = 'erasure' and happened_at >= (select max({{ column }}) - interval '1 day' from {{ this }})
{%- endmacro %}

{# A hook: deletes the rows that may still name somebody who was erased. Events keep their ids. #}
{% macro forget_erased(column) -%}
{% if is_incremental() %}
delete from {{ this }} where event_id in (
    select event_id from {{ ref('stg_segments__event') }} where user_id in ({{ erased_since(column) }})
)
{% endif %}
{%- endmacro %}
