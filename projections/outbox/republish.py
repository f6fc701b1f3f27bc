"""Telling `<prefix>.memberships` as a whole: after a move to another topic, or when an operator asks.

First what lies there and is nobody's state, or in a partition where its key does not belong, gets a null value; then
all that stands is told. Between pages goes what changed meanwhile. Interrupted, it is begun anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from projections.outbox.tombstones import bury_strangers
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


async def ask_anew(connection: asyncpg.Connection[Any], because: str, actor: str | None) -> None:
    """Have whoever tells the topic tell it as a whole. connection: as segments_operate."""
    await connection.execute(SQL["ask_republish"], because, actor)


async def is_asked(connection: asyncpg.Connection[Any]) -> bool:
    """Whether it is still to be told as a whole."""
    asked: bool = await connection.fetchval(SQL["is_republish_asked"])
    return asked


async def used_partitions(connection: asyncpg.Connection[Any]) -> int | None:
    """Give among how many partitions of the topic keys are shared out; None before anything was published."""
    used: int | None = await connection.fetchval(SQL["used_partitions"])
    return used


async def republish(
    leader: Leader, stop: asyncio.Event, states_of: StatesOf, tell: Callable[[], Awaitable[Any]]
) -> bool:
    """Tell the topic as a whole if it is to be; False where this leader can't, and the next one must.

    states_of: reads the states of given keys, as records. tell: tells what waits, so that it need not until the end.
    """
    async with leader.database.single() as connection:
        asked = await connection.fetchrow(SQL["republish_asked"])
    if asked is None or not leader.anew:
        return asked is None
    log.info("memberships are told anew", because=asked["republish_because"])
    buried = await bury_strangers(leader, stop, tell, misplaced=True)
    if buried is None:
        return False
    told, last = 0, (-1, -1)
    while True:
        async with leader.database.transaction() as connection:
            keys = await connection.fetch(SQL["page_of_keys"], *last, PAGE)
            states = await states_of(connection, keys)
        if not keys:
            break
        await leader.publish(states)
        told, last = told + len(states), tuple(keys[-1])
        await tell()
        if stop.is_set() or leader.lost.is_set():
            return False
    async with leader.database.single() as connection:
        await connection.execute(SQL["republish_done"], asked["republish_at"], asked["incarnation"])
    leader.anew = False
    log.info("memberships were told anew", states=told, nulls=buried)
    return True
