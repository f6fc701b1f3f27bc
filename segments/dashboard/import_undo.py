"""What undoes an import: the commands that put each of its users back, unless others have changed them since."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from projections.queries.imports import count_waiting, read_undone
from segments.dashboard.import_plan import ERASED, SECONDS
from service.http.kit.problems import Problem
from service.registry import imports

if TYPE_CHECKING:
    from projections.queries.rows import Row
    from segments.dashboard.visit import Visit
    from service.http.kit.database import SharedDatabase
    from service.registry.imports import Import


async def plan_undo(reading: SharedDatabase, visit: Visit, one: Import) -> str:
    """Keep an import that undoes another, and return its id; nothing is published. Raises: Problem 409."""
    async with reading.transaction(
        visit.network_id, repeatable=True, seconds=SECONDS
    ) as connection:
        if await count_waiting(connection, visit.network_id, one.import_id):
            raise Problem(
                409, "not_yet", "some of its commands are not applied yet: try again in a moment"
            )
        users = await read_undone(connection, visit.network_id, one.import_id)
    free = [
        user
        for user in users
        if not user["is_changed_since"] and not ERASED.fullmatch(user["user_id"])
    ]
    now = datetime.now(UTC)
    description = f"Undo of {one.file_name}"
    by_user = [_commands(user, now) for user in free]
    values = [
        {"user": user["user_id"], "segment_id": user["segment_id"], "description": description}
        | command
        for user, commands in zip(free, by_user, strict=True)
        for command in commands
    ]
    undone = {
        "of": one.import_id,
        "put_back": sum(map(bool, by_user)),
        "changed_since": sum(user["is_changed_since"] for user in users),
        "as_before": sum(not commands for commands in by_user),
    }
    if not values:
        raise Problem(409, "nothing_to_undo", _nothing(undone))
    options: dict[str, Any] = {
        "mode": "undo", "segment_id": None, "defaults": {}, "columns": {}, "is_planned": True, "is_table": False,
        "unmatched": [], "undone": undone,
    }  # fmt: skip
    content = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    async with reading.transaction(visit.network_id) as connection:
        return await imports.create(
            connection, network_id=visit.network_id, key_name=visit.key.key_name,
            file_name=description[:255], content=content.encode(), options=options,
        )  # fmt: skip


def _commands(user: Row, now: datetime) -> list[dict[str, Any]]:
    """Return the commands from the state now to that before: none, one, or an override and a reset that lifts it."""
    override, until = user["was_override"], user["was_until"]
    if until is not None and until <= now:
        override = until = None
    if override is not None:
        if (override, until) == (user["override"], user["expires_at"]):
            return []
        lapses = {} if until is None else {"expires_at": int(until.timestamp())}
        return [{"user_status": override} | lapses]
    was_member = (
        user["was_member"] if user["automation_since"] is None else user["automation_since"]
    )
    commands = []
    if user["is_member"] != was_member:
        commands.append({"user_status": "add" if was_member else "block"})
    if commands or user["override"] is not None:
        commands.append({"user_status": "reset"})
    return commands


def _nothing(undone: dict[str, Any]) -> str:
    if undone["changed_since"]:
        return "there is nothing to undo: its users are as before it, or were changed since"
    return "there is nothing to undo: its users are as before it"
