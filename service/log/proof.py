"""Checks stored events against their digests, which are computed again from each row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from schemas.command.canonical import canonical_json, canonical_real, content
from schemas.command.rules import UserStatus
from service.log.expire_events import salt_of_expiry
from service.log.identity import AUTO, content_digest
from service.postgres.database import statements

if TYPE_CHECKING:
    import asyncpg

PREFETCH = 2000
SQL = statements("service.log.sql")


async def altered_events(
    connection: asyncpg.Connection[Any], limit: int = 100
) -> list[dict[str, str | None]]:
    """Return the events with an altered column.

    It reads in the connection's transaction, with bounded memory. At most `limit` rows, with view, key (position),
    expected and found: of the content, the user as sent or the reference if one of these differs, else of the whole
    row. For erased people it compares what the erasure has left.
    """
    faults: list[dict[str, str | None]] = []
    async for row in connection.cursor(SQL["event_digests"], prefetch=PREFETCH):
        differs = _difference(row)
        if differs is not None:
            expected, actual = differs
            faults.append(
                {"view": "event", "key": row["key"], "expected": expected, "found": actual}
            )
        if len(faults) == limit:
            break
    return faults


async def count_erased(connection: asyncpg.Connection[Any]) -> int:
    """Count the events of erased people, whose content and user as sent can't be compared any more."""
    counted: int = await connection.fetchval(SQL["erased_events"])
    return counted


def _difference(row: asyncpg.Record) -> tuple[str, str] | None:
    """Return (expected, found) of a row if they differ."""
    erased, blanked = row["erased"], row["blanked"]
    if blanked and not (erased and row["blank"]):
        return (
            "free text blanked" if erased else "nobody erased",
            "free text" if erased else "blanked",
        )
    actual = row["content"] if blanked else _digest(row)
    if actual != row["content"]:
        return "content " + row["content"].hex(), actual.hex()
    if row["another"] and not erased:
        return "the user as sent", "another's"
    if _misnamed(row):
        return AUTO + actual.hex(), row["reference_id"]
    if row["of_row"] != row["digest"]:
        return f"all columns' digest {row['digest'].hex()}", row["of_row"].hex()
    return None


def _digest(row: asyncpg.Record) -> bytes:
    user_status, metadata, description = row["user_status"], row["metadata"], row["description"]
    salt = row["salt"]
    if user_status == UserStatus.EXPIRE.text:
        salt = salt_of_expiry(salt, free_text=(metadata, description) != (None, None))
    canonical = None if metadata is None else _canonical(metadata)
    return content_digest(content(user_status, row["expires_at"], canonical, description), salt)


def _canonical(metadata: str) -> bytes:
    return canonical_json(
        json.loads(metadata, parse_float=canonical_real, parse_int=canonical_real)
    )


def _misnamed(row: asyncpg.Record) -> bool:
    """Whether a generated reference does not match the content."""
    reference_id: str = row["reference_id"]
    made_up = row["time_given"] and reference_id.startswith(AUTO)
    return made_up and reference_id != AUTO + row["content"].hex()
