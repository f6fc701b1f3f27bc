"""Publishes the state of each changed key to `<prefix>.memberships`, a compacted topic; at least once.

The leader tails the log below the checkpoints and publishes the current state of each key in it, so that the last value
of a key is never older than the key's last event. Only one process publishes, because two could publish in the wrong
order (`projections.outbox.leader`). No Postgres transaction is open during calls to Kafka.
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

log = get_logger("projections.outbox.memberships")
EVERY_SECONDS = 0.25
# The interval at which the other processes try to become leader.
ASIDE_SECONDS = 1.0
# The interval of checks whether the topic was recreated, and whether it is to be published as a whole.
MOVED_SECONDS = 2.0
BATCH = 4000
# While more than this many records wait to be folded, the views have priority, and rounds are this far apart.
MUCH, PATIENCE_SECONDS = 2000, 5.0
SQL = statements("projections.outbox.sql")


async def publish_memberships(settings: Settings, stop: asyncio.Event) -> None:
    """Publish states until `stop` is set, while this installation owns the topic."""
    await run_outbox(settings, ROLE, stop, _publish, log, "memberships delayed")


async def _publish(database: Database, supervisor: Supervisor) -> None:
    async with leading(database) as leader:
        if leader is not None:
            await _publish_until(supervisor, leader)
    await sleep_unless(supervisor.stop, ASIDE_SECONDS)


async def _publish_until(supervisor: Supervisor, leader: Leader) -> None:
    """Publish until a stop, or until another process is the leader."""
    rounds, stop = _Rounds(leader), supervisor.stop
    looked = -MOVED_SECONDS
    while not stop.is_set() and not leader.lost.is_set():
        if time.monotonic() - looked > MOVED_SECONDS:
            looked = time.monotonic()
            if await leader.topic_moved():
                log.warning("topic of memberships was recreated")
                return
            if not await republish(leader, stop, _states_of, rounds.next):
                return
        await publish_tombstones(leader, stop, _states_of, rounds.next)
        more = await rounds.next()
        supervisor.succeeded()
        if not more:
            await sleep_unless(stop, EVERY_SECONDS)


class _Rounds:
    """Paces the rounds: they are some seconds apart while many records wait to be folded."""

    def __init__(self, leader: Leader) -> None:
        self._leader = leader
        self._published_at = time.monotonic()

    async def next(self) -> bool:
        """Publish a round if one is due; return whether more states are pending."""
        async with self._leader.database.single() as connection:
            behind: int = await connection.fetchval(FOLD_SQL["waiting"], PROJECTION)
        if behind > MUCH and time.monotonic() - self._published_at < PATIENCE_SECONDS:
            return False
        self._published_at = time.monotonic()
        return await _publish_round(self._leader)


async def _publish_round(leader: Leader) -> bool:
    """Publish one batch of each lane; return whether a lane has more than a batch pending.

    The states are read after everything that any process has published before, which preserves the order.
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
    """Read the states of the keys in a range of a lane."""
    async with leader.database.single() as connection:
        rows = await connection.fetch(
            SQL["states"], lane["lane_id"], lane["first"], lane["until"], [], []
        )
    return [_record(row) for row in rows]


def _together(lanes: list[asyncpg.Record]) -> Iterator[list[asyncpg.Record]]:
    """Group lanes for one transaction each: at most a batch of offsets per group, or a single lane."""
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
    """Read the states of keys (segment_key, person_id), as records to publish."""
    segments, people = [row[0] for row in keys], [row[1] for row in keys]
    rows = await connection.fetch(SQL["states"], None, None, None, segments, people)
    return [_record(row) for row in rows]


def _record(row: asyncpg.Record) -> Record:
    """Build the record of one state; its key is `network_id:segment_id:user`."""
    value = {
        name: item.isoformat() if hasattr(item, "isoformat") else item for name, item in row.items()
    }
    key = f"{row['network_id']}:{row['segment_id']}:{row['user_id']}"
    return key.encode(), json.dumps(value).encode(), None
