"""Whether what keeps the log from being changed is in force: triggers and the functions behind them, no rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.postgres.migrations import migrations

if TYPE_CHECKING:
    import asyncpg

# Each table of the log, and what its triggers call: for each row that changes or goes, and for a TRUNCATE.
_BLANKED, _NEVER = "refuse_all_but_erasure", "refuse_change"
GUARDED = {
    "event": (_BLANKED, _NEVER),
    "rejected": (_BLANKED, _NEVER),
    "person": ("refuse_all_but_farewell", "refuse_all_but_farewell"),
    "idempotency": ("refuse_early_forgetting", "refuse_early_forgetting"),
    "segment": ("refuse_another_segment", "refuse_another_segment"),
} | dict.fromkeys(
    (
        "duplicate", "hole", "registry_event", "lane_event", "retry", "erasure", "source_event", "analyst_event",
        "rejected_erasure",
    ),
    (_NEVER, _NEVER),
)  # fmt: skip
# tgtype is a sum: 1 for each row, 2 before, 8 DELETE, 16 UPDATE, 32 TRUNCATE (pg_trigger.h).
_TRIGGERS = """
SELECT v.view, v.key, v.expected, coalesce(string_agg(CASE t.tgenabled
    WHEN 'D' THEN 'disabled' WHEN 'O' THEN 'not ALWAYS' WHEN 'R' THEN 'on replicas alone' ELSE 'altered' END, ', '),
    'none') AS found
FROM (
    SELECT 'segments.' || g.name AS view, 'trigger for ' || k.does AS key, g.calls || '(), always' AS expected,
        g.name, g.calls, k.does, k.bits, k.event
    FROM unnest($1::text[], $2::text[], $3::text[]) AS g (name, calls, does)
    INNER JOIN (VALUES ('UPDATE', 3, 16), ('DELETE', 3, 8), ('TRUNCATE', 2, 32)) AS k (does, bits, event)
        ON g.does = k.does
) AS v
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = 'segments'::regnamespace AND c.relname = v.name
LEFT JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = c.oid AND t.tgtype & v.event <> 0 AND NOT t.tgisinternal
GROUP BY v.view, v.key, v.expected, v.bits, v.calls
HAVING NOT coalesce(bool_or(
    t.tgenabled = 'A' AND t.tgtype & 3 = v.bits AND t.tgqual IS NULL AND t.tgattr = ''
    AND t.tgfoid = (SELECT p.oid FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = 'segments'::regnamespace AND p.proname = v.calls)
), false)
ORDER BY 1, 2
"""
_RULES = """
SELECT 'segments.' || c.relname AS view, 'rule ' || r.rulename AS key, 'none' AS expected, 'a rule' AS found
FROM pg_catalog.pg_rewrite AS r INNER JOIN pg_catalog.pg_class AS c ON r.ev_class = c.oid
WHERE c.relnamespace = 'segments'::regnamespace AND c.relkind IN ('r', 'p')
UNION ALL
SELECT 'segments.' || c.relname, 'row security', 'off', 'on' FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'segments'::regnamespace AND (c.relrowsecurity OR c.relforcerowsecurity)
UNION ALL
SELECT 'segments.' || c.relname, 'inheritance', 'none', i.inhrelid::regclass::text
FROM pg_catalog.pg_inherits AS i INNER JOIN pg_catalog.pg_class AS c ON c.oid IN (i.inhrelid, i.inhparent)
WHERE c.relnamespace = 'segments'::regnamespace AND c.relkind IN ('r', 'p')
ORDER BY 1, 2
"""
_FUNCTIONS = """
SELECT p.proname, p.prosrc FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace = 'segments'::regnamespace AND p.proname = ANY ($1::text[]) ORDER BY 1
"""
_OTHERS = ("erase_person", "erase_rejected", "forget_keys")


async def guard_faults(connection: asyncpg.Connection[Any]) -> list[dict[str, str | None]]:
    """Tell what does not keep the log from being changed as it should: view, key, expected, found. Empty: all does.

    The functions are compared with the text of this program's migrations.
    """
    wanted = [
        (name, calls, does)
        for name, (changing, going) in sorted(GUARDED.items())
        for does, calls in (("UPDATE", changing), ("DELETE", going), ("TRUNCATE", _NEVER))
    ]
    faults = await connection.fetch(_TRIGGERS, *(list(part) for part in zip(*wanted, strict=True)))
    faults += await connection.fetch(_RULES)
    text = "".join(migration.sql for migration in migrations())
    names = sorted({calls for pair in GUARDED.values() for calls in pair} | set(_OTHERS))
    found = await connection.fetch(_FUNCTIONS, names)
    altered = [row["proname"] for row in found if row["prosrc"] not in text]
    altered += sorted(set(names) - {row["proname"] for row in found})
    return [
        *(dict(row) for row in faults),
        *(
            {"view": f"segments.{name}()", "key": "text", "expected": "as in the migrations", "found": "another"}
            for name in altered
        ),
    ]  # fmt: skip
