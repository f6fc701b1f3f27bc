"""Publishes `<prefix>.memberships` as a whole, for a recreated topic or at an operator's request.

First each key in the topic without a state, or in another partition than its own, gets a null value; then all states
are published. Pages alternate with the states that changed in the meantime. After an interruption it starts again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from projections.outbox.tombstones import publish_missing_tombstones
from service.postgres.database import statements
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    import asyncpg

    from projections.outbox.leader import Leader
    from projections.outbox.tombstones import StatesOf

log = get_logger("projections.outbox.republish")
PAGE = 2000
SQL = statements("projections.outbox.sql")


async def request_republish(
    connection: asyncpg.Connection[Any], because: str, actor: str | None
) -> None:
    """Request that the leader publishes the topic as a whole. connection: as segments_operate."""
    await connection.execute(SQL["request_republish"], because, actor)


async def is_republish_pending(connection: asyncpg.Connection[Any]) -> bool:
    """Whether a request is pending."""
    is_pending: bool = await connection.fetchval(SQL["is_republish_requested"])
    return is_pending


async def used_partitions(connection: asyncpg.Connection[Any]) -> int | None:
    """Return the number of partitions that the keys use; None before anything was published."""
    used: int | None = await connection.fetchval(SQL["used_partitions"])
    return used


async def republish(
    leader: Leader,
    stop: asyncio.Event,
    states_of: StatesOf,
    publish_pending: Callable[[], Awaitable[Any]],
) -> bool:
    """Publish the topic as a whole if requested; return False if only the next leader can do it.

    states_of: reads the states of keys, as records. publish_pending: publishes recent changes, so that they need not
    wait.
    """
    async with leader.database.single() as connection:
        request = await connection.fetchrow(SQL["republish_request"])
    if request is None or not leader.anew:
        return request is None
    log.info("republishing memberships", because=request["republish_because"])
    tombstones = await publish_missing_tombstones(leader, stop, publish_pending, misplaced=True)
    if tombstones is None:
        return False
    published, last = 0, (-1, -1)
    while True:
        async with leader.database.transaction() as connection:
            keys = await connection.fetch(SQL["page_of_keys"], *last, PAGE)
            states = await states_of(connection, keys)
        if not keys:
            break
        await leader.publish(states)
        published, last = published + len(states), tuple(keys[-1])
        await publish_pending()
        if stop.is_set() or leader.lost.is_set():
            return False
    async with leader.database.single() as connection:
        await connection.execute(
            SQL["republish_done"], request["republish_at"], request["incarnation"]
        )
    leader.anew = False
    log.info("republished memberships", states=published, nulls=tombstones)
    return True
