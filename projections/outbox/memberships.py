"""Telling `<prefix>.memberships`, a compacted topic, the state of each key that changed; at least once each.

It tails the log below the checkpoints and publishes what then stands for the keys it meets, so the last word on a
key is never older than the key's last event. One process tells at a time, for two could tell in the wrong order
(`projections.outbox.leader`). No transaction of Postgres is open while Kafka is asked.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from projections.fold.worker import PROJECTION, ROLE
from projections.fold.worker import SQL as FOLD_SQL
from projections.outbox.leader import leading
from projections.outbox.republish import republish
from projections.outbox.tombstones import publish_tombstones
from service.outbox.runner import run_outbox
from service.postgres.database import statements
from service.registry.command_topics import all_topics
from service.runtime.backoff import sleep_unless
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    import asyncpg

    from projections.outbox.leader import Leader
    from service.kafka.transactional_producer import Record
    from service.postgres.database import Database
    from service.runtime.settings import Settings
    from service.runtime.supervise import Supervisor

log = get_logger("projections.memberships")
EVERY_SECONDS = 0.25
# How often whoever does not tell asks whether to take over.
ASIDE_SECONDS = 1.0
# How often it is asked whether the topic is still the same, and whether it is to be told as a whole.
MOVED_SECONDS = 2.0
BATCH = 4000
# While so many records of a lane wait to be folded, the views go first: told is then only so often.
MUCH, PATIENCE_SECONDS = 2000, 5.0
SQL = statements("projections.outbox.sql")


async def relay_memberships(settings: Settings, stop: asyncio.Event) -> None:
    """Tell states until `stop` is set, if the topic is ours; faults are waited out."""
    await run_outbox(settings, ROLE, stop, _relay, log, "memberships wait")


async def _relay(database: Database, supervisor: Supervisor) -> None:
    async with leading(database) as leader:
        if leader is not None:
            await _tell_until(supervisor, leader)
    await sleep_unless(supervisor.stop, ASIDE_SECONDS)


async def _tell_until(supervisor: Supervisor, leader: Leader) -> None:
    """Tell until it must end, or another process tells."""
    rounds, stop = _Rounds(leader), supervisor.stop
    looked = -MOVED_SECONDS
    while not stop.is_set() and not leader.lost.is_set():
        if time.monotonic() - looked > MOVED_SECONDS:
            looked = time.monotonic()
            if await leader.topic_moved():
                log.warning("the topic of memberships is another one")
                return
            if not await republish(leader, stop, _states_of, rounds.next):
                return
        await publish_tombstones(leader, stop, _states_of, rounds.next)
        more = await rounds.next()
        supervisor.well()
        if not more:
            await sleep_unless(stop, EVERY_SECONDS)


class _Rounds:
    """Rounds of telling; some seconds apart while much waits to be folded."""

    def __init__(self, leader: Leader) -> None:
        self._leader = leader
        self._told = time.monotonic()

    async def next(self) -> bool:
        """Tell a round if it is time for one; whether more waits."""
        async with self._leader.database.single() as connection:
            behind: int = await connection.fetchval(FOLD_SQL["waiting"], PROJECTION)
        if behind > MUCH and time.monotonic() - self._told < PATIENCE_SECONDS:
            return False
        self._told = time.monotonic()
        return await _tell(self._leader)


async def _tell(leader: Leader) -> bool:
    """Tell one batch of each lane; False when no more waits than belongs into the next round.

    What it tells was read after whatever was told before, by us or by anybody: that is what keeps the order.
    """
    async with leader.database.transaction() as connection:
        topics = await all_topics(connection, leader.database.settings)
        lanes = await connection.fetch(SQL["lanes_to_publish"], topics, BATCH)
    for some in _together(lanes):
        records = [record for lane in some for record in await _states_in(leader, lane)]
        await leader.publish(records)
        async with leader.database.single() as connection:
            await connection.execute(
                SQL["move_progress"],
                [lane["lane_id"] for lane in some],
                [lane["until"] for lane in some],
                some[0]["incarnation"],
            )
    return any(lane["until"] - lane["first"] >= BATCH for lane in lanes)


async def _states_in(leader: Leader, lane: asyncpg.Record) -> list[Record]:
    """Read the states of the keys that a stretch of a lane meets."""
    async with leader.database.single() as connection:
        rows = await connection.fetch(
            SQL["states"], lane["lane_id"], lane["first"], lane["until"], [], []
        )
    return [_record(row) for row in rows]


def _together(lanes: list[asyncpg.Record]) -> Iterator[list[asyncpg.Record]]:
    """Part lanes into such as are told in one transaction: of no more than a batch's offsets, or one lane alone."""
    some: list[asyncpg.Record] = []
    offsets = 0
    for lane in lanes:
        offsets += lane["until"] - lane["first"]
        if some and offsets > BATCH:
            yield some
            some, offsets = [], lane["until"] - lane["first"]
        some.append(lane)
    if some:
        yield some


async def _states_of(
    connection: asyncpg.Connection[Any], keys: list[asyncpg.Record]
) -> list[Record]:
    """Read the states of keys (segment_key, person_id), as records to tell."""
    segments, people = [row[0] for row in keys], [row[1] for row in keys]
    rows = await connection.fetch(SQL["states"], None, None, None, segments, people)
    return [_record(row) for row in rows]


def _record(row: asyncpg.Record) -> Record:
    """Give the record of one state; its key is `network_id:segment_id:user`."""
    value = {
        name: item.isoformat() if hasattr(item, "isoformat") else item for name, item in row.items()
    }
    key = f"{row['network_id']}:{row['segment_id']}:{row['user_id']}"
    return key.encode(), json.dumps(value).encode(), None
