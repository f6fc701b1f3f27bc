-- The intervals of a key follow each other without gap or overlap, and the last of them is the current one.
select *
from (
    select
        network_id,
        segment_id,
        user_id,
        valid_from,
        valid_to,
        is_current,
        lead(valid_from) over (
            partition by network_id, segment_id, user_id
            order by valid_from, case when is_instant then 0 else 1 end
        ) as next_from
    from {{ ref('fct_membership_interval') }}
) as i
where (is_current and next_from is not null)
    or (not is_current and (next_from is null or next_from <> valid_to))
