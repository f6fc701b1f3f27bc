CREATE VIEW reporting.admin_event AS
SELECT
    'segment' AS kind,
    r.version AS number,
    r.changed_at AS happened_at,
    s.network_id,
    r.actor,
    r.change,
    s.segment_id::text COLLATE "C" AS object, -- noqa: RF02
    lag(jsonb_build_object(
        'name', r.segment_name, 'description', r.description, 'is_visible', r.is_visible, 'archived', r.archived
    )) OVER (PARTITION BY s.network_id, r.segment_key ORDER BY r.version) AS before,
    jsonb_build_object(
        'name', r.segment_name, 'description', r.description, 'is_visible', r.is_visible, 'archived', r.archived
    ) || jsonb_strip_nulls(jsonb_build_object('reason', r.reason)) AS after
FROM segments.registry_event AS r
INNER JOIN segments.segment AS s ON r.segment_key = s.segment_key
UNION ALL
SELECT
    'key', k.key_event_id, k.happened_at, k.network_id, k.actor, k.change, k.key_id COLLATE "C",
    CASE
        WHEN k.change = 'revoked'
            THEN jsonb_build_object('name', k.key_name, 'scopes', k.scopes, 'expires_at', k.expires_at)
    END,
    CASE
        WHEN k.change = 'created'
            THEN jsonb_build_object('name', k.key_name, 'scopes', k.scopes, 'expires_at', k.expires_at)
    END
FROM segments.key_event AS k
UNION ALL
SELECT
    'grant', a.analyst_event_id, a.changed_at, a.network_id, a.actor, a.change, a.role_name COLLATE "C",
    jsonb_build_object('granted', a.change <> 'granted'), jsonb_build_object('granted', a.change = 'granted')
FROM segments.analyst_event AS a
UNION ALL
SELECT
    'source', t.version, t.changed_at, CASE WHEN cardinality(t.networks) = 1 THEN t.networks[1] END,
    t.actor, t.change, t.topic COLLATE "C",
    -- What is one network's alone may come after what was another's too.
    CASE
        WHEN coalesce(cardinality(t.networks), 0) <> 1 OR lag(t.networks) OVER earlier = t.networks
            THEN lag(jsonb_build_object('rule', t.change, 'networks', t.networks, 'statuses', t.statuses)) OVER earlier
    END,
    jsonb_build_object('rule', t.change, 'networks', t.networks, 'statuses', t.statuses)
FROM segments.source_event AS t
WINDOW earlier AS (PARTITION BY t.topic ORDER BY t.version)
UNION ALL
SELECT
    'retry', y.retry_id, y.retried_at, y.network_id, y.actor, 'retried',
    (l.topic || ':' || l.partition || ':' || l.epoch || ':' || y.kafka_offset) COLLATE "C", -- noqa: RF02
    NULL, jsonb_build_object('retried_as', y.retried_as)
FROM segments.retry AS y
INNER JOIN segments.lane AS l ON y.lane_id = l.lane_id
UNION ALL
SELECT
    'erasure', x.erasure_id, x.erased_at, nullif(x.network_id, ''), x.actor, 'erased',
    ('erased:' || x.erasure_id) COLLATE "C", NULL, NULL
FROM segments.erasure AS x
UNION ALL
SELECT
    'rejected_erasure', z.rejected_erasure_id, z.erased_at, z.network_id, z.actor, 'erased',
    (l.topic || ':' || l.partition || ':' || l.epoch || ':' || z.kafka_offset) COLLATE "C", -- noqa: RF02
    NULL, NULL
FROM segments.rejected_erasure AS z
INNER JOIN segments.lane AS l ON z.lane_id = l.lane_id;

COMMENT ON VIEW reporting.admin_event IS 'What people and services did besides commands: changes of segments, keys, grants and sources, sign-ins, actions on lanes, retries and erasures; by network, only what concerns one network alone. Key: kind, number.';
COMMENT ON COLUMN reporting.admin_event.kind IS 'segment, key (also sign-ins), grant, source, lane, task, retry, erasure or rejected_erasure.';
COMMENT ON COLUMN reporting.admin_event.number IS 'The number of the event within its kind.';
COMMENT ON COLUMN reporting.admin_event.happened_at IS 'When it was done.';
COMMENT ON COLUMN reporting.admin_event.network_id IS 'The tenant; null if it concerns several, or the installation.';
COMMENT ON COLUMN reporting.admin_event.actor IS 'The person or service that did it; null if it was not stated.';
COMMENT ON COLUMN reporting.admin_event.change IS 'What was done: created, edited, archived, restored, revoked, link_made, signed_in, signed_out, granted, allowed, closed, stopped, adopted, retried, erased, requested, cancelled and so on.';
COMMENT ON COLUMN reporting.admin_event.object IS 'To what: a segment id, key id, role, topic, lane, task, position of a record, or erased:<n>.';
COMMENT ON COLUMN reporting.admin_event.before IS 'What it was before; null if there was nothing, nothing is known, or a source spoke for other networks too and now speaks for one.';
COMMENT ON COLUMN reporting.admin_event.after IS 'What it was afterwards; of a lane the reason. The reason of an erasure may name the person, and is not shown.';

CALL segments.make_network_view('admin_event');

-- Lanes hold records of every network, and tasks are of the installation: they are shown in schema reporting alone.
DO $$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW reporting.admin_event AS '
        || rtrim(pg_get_viewdef('reporting.admin_event'::regclass), ';')
        || ' UNION ALL SELECT ''lane'', e.lane_event_id, e.happened_at, NULL, e.actor, e.action,'
        || ' (l.topic || ''-'' || l.partition) COLLATE "C", NULL, jsonb_build_object(''reason'', e.reason, ''detail'', e.detail, ''epoch'', l.epoch)'
        || ' FROM segments.lane_event AS e INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id'
        || ' UNION ALL SELECT ''task'', t.task_id * 2 + x.nth, x.at, NULL, x.actor, x.change, t.task_id::text COLLATE "C", NULL,'
        || ' jsonb_build_object(''task'', t.kind) FROM segments.task AS t CROSS JOIN LATERAL (VALUES'
        || ' (0, t.requested_at, t.requested_by, ''requested''), (1, t.cancelled_at, t.cancelled_by, ''cancelled'')'
        || ' ) AS x (nth, at, actor, change) WHERE x.at IS NOT NULL';
END $$;
GRANT SELECT ON reporting.admin_event TO segments_operate, segments_api, segments_report;
