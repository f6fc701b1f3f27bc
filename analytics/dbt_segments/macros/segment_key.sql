{# A segment's key over all networks, readable and stable. #}
{% macro segment_key(network_id, segment_id) -%}
{{ network_id }} || ':' || {{ segment_id }}
{%- endmacro %}
