"""What operators ask for that takes long, verify and rebuild: a row each, one at a time (docs/decisions/0084)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from service.postgres.database import statements
from service.runtime.errors import TaskRunningError, UnknownTaskError

if TYPE_CHECKING:
    import asyncpg

SQL = statements("service.operations.sql")
KINDS = ("verify", "rebuild")
Task = dict[str, Any]
COLUMNS = (
    "task_id", "kind", "requested_at", "requested_by", "cancelled_at", "cancelled_by", "started_at", "step",
    "steps_done", "steps", "ended_at", "outcome", "result",
)  # fmt: skip


class TaskPlace(NamedTuple):
    """The place of a task in the list. name: not used."""

    requested_at: datetime
    name: str
    task_id: int


NEWEST = TaskPlace(datetime.max.replace(tzinfo=UTC), "", 0)


async def request_task(connection: asyncpg.Connection[Any], kind: str, actor: str) -> Task:
    """Ask for a task, one of KINDS. Raises: TaskRunningError."""
    row = await connection.fetchrow(SQL["request_task"], kind, actor)
    if row is None:
        raise TaskRunningError
    return _task(row)


async def cancel_task(connection: asyncpg.Connection[Any], task_id: int, actor: str) -> Task:
    """Ask for the end of a task; the process that does it ends it within seconds. Raises: UnknownTaskError."""
    row = await connection.fetchrow(SQL["cancel_task"], task_id, actor)
    if row is None:
        raise UnknownTaskError
    return _task(row)


async def list_tasks(
    connection: asyncpg.Connection[Any], limit: int, before: TaskPlace = NEWEST
) -> list[Task]:
    """List tasks, newest first; result as a dict, or None."""
    rows = await connection.fetch(SQL["list_tasks"], before.requested_at, before.task_id, limit)
    return [_task(row) for row in rows]


def _task(row: asyncpg.Record) -> Task:
    return dict(row) | {"result": json.loads(row["result"] or "null")}
