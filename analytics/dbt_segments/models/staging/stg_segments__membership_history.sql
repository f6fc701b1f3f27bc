select
    cast(event_id as varchar) as event_id,
    network_id,
    segment_id,
    user_id,
    valid_from,
    valid_to,
    is_current,
    is_member,
    override,
    cause,
    reference_id,
    last_recorded_at
from {{ source('segments', 'membership_history') }}
