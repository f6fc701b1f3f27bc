select
    {{ segment_key('network_id', 'segment_id') }} || ':' || row_number() over (
        partition by network_id, segment_id order by valid_from
    ) as segment_version_key,
    {{ segment_key('network_id', 'segment_id') }} as segment_key,
    network_id,
    segment_id,
    segment_name,
    description,
    is_visible,
    archived,
    valid_from,
    valid_to,
    valid_to is null as is_current,
    actor,
    reason
from {{ ref('stg_segments__segment_history') }}
