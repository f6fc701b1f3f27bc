{% if target.type == 'postgres' %}
select
    {{ var('segments_schema') }}.snapshot() as snapshot,
    recorded_until as read_until,
    current_timestamp as read_at
from {{ source('segments', 'watermark') }}
{% else %}
select
    snapshot,
    (select min(cast(lane.recorded_until as timestamptz)) from unnest(lanes) as t (lane)) as read_until,
    cast(made_at as timestamptz) as read_at
from read_json_auto('{{ var('segments_export') }}/manifest.json')
{% endif %}
