"""Checks that the log is protected against changes: triggers, their functions, and no rewrite rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.postgres.database import statements
from service.postgres.migrations import migrations

if TYPE_CHECKING:
    import asyncpg

# Each table of the log with the trigger functions for UPDATE and for DELETE. TRUNCATE always calls refuse_change.
_BLANKED, _NEVER = "refuse_all_but_erasure", "refuse_change"
GUARDED = {
    "event": (_BLANKED, _NEVER),
    "rejected": (_BLANKED, _NEVER),
    "person": ("refuse_person_change", "refuse_person_change"),
    "idempotency": ("refuse_early_forgetting", "refuse_early_forgetting"),
    "segment": ("refuse_another_segment", "refuse_another_segment"),
    "access_event": ("refuse_access_change", "refuse_access_change"),
} | dict.fromkeys(
    (
        "duplicate", "hole", "registry_event", "lane_event", "retry", "erasure", "source_event", "analyst_event",
        "rejected_erasure", "key_event", "seal", "seal_round", "seal_stretch", "seal_checkpoint",
    ),
    (_NEVER, _NEVER),
)  # fmt: skip
SQL = statements("service.postgres.sql")
_OTHERS = ("erase_person", "erase_rejected", "forget_keys", "forget_accesses")


async def guard_faults(connection: asyncpg.Connection[Any]) -> list[dict[str, str | None]]:
    """List faults in the protection of the log: view, key, expected, found. Empty: none.

    The functions are compared with the text of this program's migrations.
    """
    wanted = [
        (name, calls, does)
        for name, (changing, going) in sorted(GUARDED.items())
        for does, calls in (("UPDATE", changing), ("DELETE", going), ("TRUNCATE", _NEVER))
    ]
    faults = await connection.fetch(
        SQL["guard_triggers"], *(list(part) for part in zip(*wanted, strict=True))
    )
    faults += await connection.fetch(SQL["guard_rules"])
    text = "".join(migration.sql for migration in migrations())
    names = sorted({calls for pair in GUARDED.values() for calls in pair} | set(_OTHERS))
    functions = await connection.fetch(SQL["guard_functions"], names)
    altered = [row["proname"] for row in functions if row["prosrc"] not in text]
    altered += sorted(set(names) - {row["proname"] for row in functions})
    return [
        *(dict(row) for row in faults),
        *(
            {"view": f"segments.{name}()", "key": "text", "expected": "as in the migrations", "found": "another"}
            for name in altered
        ),
    ]  # fmt: skip
