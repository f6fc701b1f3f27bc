select
    network_id,
    segment_id,
    segment_name,
    description,
    is_visible,
    archived,
    valid_from,
    valid_to,
    actor,
    reason
from {{ source('segments', 'segment_history') }}
