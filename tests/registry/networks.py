"""Two networks with rows in every view, and the logins of their analysts."""

from __future__ import annotations

import time
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from service.postgres.database import database_url
from tests.support.lane import LogLane, command_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings

NOW = int(time.time()) - 2 * 86_400
BY_NETWORK = {
    "automation_disagreement", "event", "membership", "membership_history", "override", "rejected", "result",
    "retroactive_change", "rejected_retry", "segment", "admin_event", "access_event",
    "segment_history", "segment_size", "segment_size_calendar", "segment_size_daily", "user_segment",
}  # fmt: skip
COLUMNS = """
SELECT c.relname, obj_description(c.oid, 'pg_class') AS words, a.attname, a.atttypid::regtype::text AS type,
    col_description(c.oid, a.attnum) AS comment
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'v' AND a.attnum > 0 ORDER BY c.relname, a.attnum
"""


async def say_all(lane: LogLane, network: str) -> None:
    """Let a network have a row in every view that has networks, each with its name in it."""
    who = f"of-{network}"
    at = {"network_id": network, "user": who, "status_change_timestamp": NOW}
    added = command_json(
        **at, reference_id=f"ref-{network}", description=who, metadata={"of": network}
    )
    assert await lane.append(
        added,
        added,
        command_json(**at | {"user": f"{who}-2", "user_status": "enter"}),
        command_json(**at | {"user": f"{who}-3", "user_status": "enter"}),
        command_json(
            **at | {"user": f"{who}-3", "user_status": "block", "status_change_timestamp": NOW + 1}
        ),
        command_json(
            **at | {"user": f"{who}-3", "user_status": "reset", "status_change_timestamp": NOW + 2}
        ),
        command_json(**at | {"segment_id": 77}),
    ) == ["event", "duplicate", "event", "event", "event", "event", "unknown_segment"]


@asynccontextmanager
async def analyst(owner: asyncpg.Connection[Any]) -> AsyncIterator[str]:
    """Make a login that may do nothing yet."""
    name = f"ann_{uuid.uuid4().hex[:12]}"
    await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
    try:
        yield name
    finally:
        await owner.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@asynccontextmanager
async def logged_in(settings: Settings, role: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    base, _, name = database_url(settings).rpartition("/")
    host = base.removeprefix("postgresql://").rpartition("@")[2]
    connection = await asyncpg.connect(f"postgresql://{role}:pw@{host}/{name}")
    try:
        yield connection
    finally:
        await connection.close()
