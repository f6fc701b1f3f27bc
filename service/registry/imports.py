"""Files that are imported on the dashboard, in the database: so that any api process goes on with one."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import asyncpg

_SQL = statements("service.registry.sql")
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Import:
    """An import. options, summary: of the dashboard; summary is None until the lines are checked."""

    import_id: str
    network_id: str
    key_name: str
    created_at: datetime
    file_name: str
    content: bytes
    options: dict[str, Any]
    summary: dict[str, Any] | None
    is_started: bool
    sent_until: int
    finished_at: datetime | None


class SentLine(NamedTuple):
    """What became of a line: a fault, or a position."""

    line: int
    fault: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None


async def create(
    connection: asyncpg.Connection[Any],
    *,
    network_id: str,
    key_name: str,
    file_name: str,
    content: bytes,
    options: Mapping[str, Any],
) -> str:
    """Keep a file for a day, as one of at most 20 of the network; return the import's id.

    The oldest makes room for it, one that is partly sent last.
    """
    import_id = secrets.token_urlsafe(_ID_BYTES)
    await connection.execute(
        _SQL["create_import"], import_id, network_id, key_name, file_name, content, json.dumps(options)
    )  # fmt: skip
    return import_id


async def find(
    connection: asyncpg.Connection[Any], network_id: str, import_id: str
) -> Import | None:
    """Find an import of a network."""
    row = await connection.fetchrow(_SQL["find_import"], network_id, import_id)
    if row is None:
        return None
    summary = row["summary"]
    fields = {"options": json.loads(row["options"]), "summary": summary and json.loads(summary)}
    return Import(**dict(row) | fields)


async def newest(
    connection: asyncpg.Connection[Any], network_id: str, limit: int
) -> list[dict[str, Any]]:
    """List the imports of a network, the newest first."""
    return [dict(row) for row in await connection.fetch(_SQL["list_imports"], network_id, limit)]


async def change(
    connection: asyncpg.Connection[Any],
    one: Import,
    options: Mapping[str, Any],
    summary: Mapping[str, Any] | None,
    content: bytes | None = None,
) -> None:
    """Change how a file is read, and what its lines would do. content: in place of the file, if not None."""
    await connection.execute(
        _SQL["change_import"], one.network_id, one.import_id, json.dumps(options),
        None if summary is None else json.dumps(summary), content,
    )  # fmt: skip


async def start(connection: asyncpg.Connection[Any], one: Import) -> None:
    """Begin to send; idempotent."""
    await connection.execute(_SQL["start_import"], one.network_id, one.import_id)


async def move(
    connection: asyncpg.Connection[Any],
    one: Import,
    lines: Sequence[SentLine],
    until: int,
    *,
    is_end: bool,
) -> None:
    """Note what became of lines, and that all lines up to `until` are sent."""
    columns = [list(part) for part in zip(*lines, strict=True)] if lines else [[]] * 5
    await connection.execute(_SQL["move_import"], one.import_id, *columns, until, is_end)
