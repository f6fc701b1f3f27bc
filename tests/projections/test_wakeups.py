"""Ingest wakes the workers; they need no polling for it, and poll where there are no notifications."""

from __future__ import annotations

import asyncio
import operator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from projections.fold import worker
from projections.fold.worker import ROLE
from service.postgres.database import open_database
from service.postgres.notifications import APPENDED, Listener, Notifier, Wakeups
from tests.support.database import connected, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.roles import service
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
VISIBLE = "SELECT count(*) FROM reporting.membership"
STORED = "SELECT count(*) FROM segments.event"
NEVER = 10 * PATIENCE


@asynccontextmanager
async def _listening(settings: Settings) -> AsyncIterator[Listener]:
    stop, listener = asyncio.Event(), Listener(settings, ROLE, APPENDED)
    task = asyncio.create_task(listener.run(stop))
    try:
        await holds(lambda: not listener.can_be_missed)
        yield listener
    finally:
        stop.set()
        await task


async def test_what_ingest_stores_is_folded_by_workers_that_never_poll(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SAFE_PAUSE", NEVER)
    async with service(ready):
        for number in range(1, 4):
            await publish(ready, [NewRecord(lane=0, user=f"u{number}")])
            await until(ready, VISIBLE, partial(operator.eq, number))


async def test_a_worker_whose_lane_was_held_by_another_transaction_looks_again_soon(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SAFE_PAUSE", NEVER)
    async with service(ready):
        await publish(ready, [NewRecord(lane=0, user="u1")])
        await until(ready, VISIBLE, partial(operator.eq, 1))
        async with connected(ready) as holder, holder.transaction():
            await holder.execute("SELECT FROM projections.checkpoint FOR UPDATE")
            await publish(ready, [NewRecord(lane=0, user="u2")])
            await until(ready, STORED, partial(operator.eq, 2))
            await asyncio.sleep(1.0)
        await until(ready, VISIBLE, partial(operator.eq, 2))


async def test_notifications_requested_at_once_are_few_and_none_is_lost(database: Settings) -> None:
    async with _listening(database) as listener, open_database(database, ROLE, 1) as connections:
        notifier = Notifier(connections, APPENDED)
        sending = asyncio.create_task(notifier.run(asyncio.Event()))
        try:
            before = listener.count
            for _ in range(1000):
                notifier.notify()
            await holds(lambda: listener.count > before)
            assert listener.count < before + 10
            before = listener.count
            notifier.notify()
            await holds(lambda: listener.count > before)
        finally:
            sending.cancel()


async def test_a_listener_whose_connection_is_cut_wakes_whoever_waits_and_listens_again(
    database: Settings,
) -> None:
    async with _listening(database) as listener:
        before = listener.count
        async with connected(database) as owner:
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid() AND datname = current_database()"
            )
        # Once for the lost connection, once for what was missed meanwhile.
        await holds(lambda: listener.count >= before + 2 and not listener.can_be_missed)


async def test_behind_a_transaction_pooler_nothing_listens(database: Settings) -> None:
    pooled = database.model_copy(update={"database_pooler": "transaction"})
    listener = Listener(pooled, ROLE, APPENDED)
    await listener.run(asyncio.Event())
    assert listener.can_be_missed
    assert await value(
        database, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
    ) == 0  # fmt: skip


async def test_waiting_ends_with_the_next_wakeup_or_at_once_after_one_that_came_before() -> None:
    wakeups = Wakeups()
    waiting = [asyncio.create_task(wakeups.wait_beyond(0, NEVER)) for _ in range(2)]
    await asyncio.sleep(0)
    wakeups.wake()
    await asyncio.gather(*waiting)
    await wakeups.wait_beyond(0, NEVER)
    await wakeups.wait_beyond(1, 0.001)
