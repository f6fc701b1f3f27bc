"""Transactions: markers and aborted records are holes, and a lane moves over them with no record in hand."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import structlog
from aiokafka import AIOKafkaProducer

from schemas.topics import Topics
from service.ingest import monitor
from service.ingest.role import ingest
from service.kafka.clients import connection_options
from tests.support.accounts import logged, outcomes
from tests.support.database import folded, rows, sound, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.lane import command_json
from tests.support.roles import service
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
NEXT = "SELECT next_offset FROM segments.lane WHERE partition = 0"


@asynccontextmanager
async def transactional(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **connection_options(settings),
        transactional_id=settings.topic_prefix,
        linger_ms=0,
        transaction_timeout_ms=600_000,  # the broker ends none that a busy machine makes long
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def in_transaction(
    settings: Settings, producer: AIOKafkaProducer, *users: str, commit: bool
) -> None:
    await producer.begin_transaction()
    for user in users:
        await producer.send_and_wait(
            Topics(settings.topic_prefix).commands, command_json(user=user), partition=0
        )
    if commit:
        await producer.commit_transaction()
    else:
        await producer.abort_transaction()


async def test_committed_records_are_events_and_markers_holes(ready: Settings) -> None:
    """Hazard 5: also an aborted tail, and then records after it."""
    async with service(ready), transactional(ready) as producer:
        await in_transaction(ready, producer, "a", "b", commit=True)
        await in_transaction(ready, producer, "lost", "lost", commit=False)
        await folded(ready)  # so `status --wait` ends behind an aborted tail
        assert await value(ready, NEXT) == 6
        await publish(ready, [NewRecord(lane=0, user="plain")])
        await in_transaction(ready, producer, "c", commit=True)
        await folded(ready)
    assert await outcomes(ready) == [
        "event", "event", "hole", "hole", "hole", "hole", "event", "event", "hole",
    ]  # fmt: skip
    await sound(ready)


async def test_a_topic_that_holds_nothing_but_aborted_records_is_read_to_its_end(
    ready: Settings,
) -> None:
    """Hazard 5: whether the process met them as they came or finds them when it starts."""
    async with transactional(ready) as producer:
        await in_transaction(ready, producer, "lost", commit=False)
        async with service(ready):
            await folded(ready)
            assert await value(ready, NEXT) == 2
            await in_transaction(ready, producer, "lost", "lost", commit=False)
            await folded(ready)
        assert await outcomes(ready) == ["hole"] * 5
        async with service(ready):
            await folded(ready)
            await in_transaction(ready, producer, "kept", commit=True)
            await folded(ready)
    assert await outcomes(ready) == ["hole"] * 5 + ["event", "hole"]
    assert await rows(ready, "SELECT DISTINCT cause FROM reporting.hole") == [
        {"cause": "no records: transaction markers, aborted or compacted away"}
    ]
    await sound(ready)


async def test_a_process_that_starts_at_an_aborted_tail_goes_on(ready: Settings) -> None:
    """Hazard 5: markers alone lie behind where the log stands."""
    async with transactional(ready) as producer:
        async with service(ready, ingest):
            await publish(ready, [NewRecord(lane=0, user="a")])
            await logged(ready)
        await in_transaction(ready, producer, "lost", commit=False)
        async with service(ready, ingest):
            await logged(ready)
    assert await outcomes(ready) == ["event", "hole", "hole"]


async def test_a_hanging_transaction_is_told_and_holds_back_only_what_lies_behind_it(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hazard 5."""
    monkeypatch.setattr(monitor, "EVERY_SECONDS", 0.05)
    monkeypatch.setattr(monitor, "HANGING_AFTER", 3)
    async with service(ready), transactional(ready) as producer:
        await publish(ready, [NewRecord(lane=0, user="before")])
        await producer.begin_transaction()
        await producer.send_and_wait(
            Topics(ready.topic_prefix).commands, command_json(user="hanging"), partition=0
        )
        with structlog.testing.capture_logs() as lines:
            await publish(
                ready, [NewRecord(lane=0, user="behind"), NewRecord(lane=1, user="elsewhere")]
            )
            await until(ready, "SELECT count(*) FROM segments.event", lambda count: count == 2)
            await folded(ready)  # up to the last stable offset
            async with asyncio.timeout(PATIENCE):
                while not [line for line in lines if "hanging transaction" in line["event"]]:
                    await publish(ready, [NewRecord(lane=1, user="elsewhere")])
        (line, *_) = [line for line in lines if "hanging transaction" in line["event"]]
        assert (line["log_level"], line["stable"], line["end"]) == ("error", 1, 3)
        assert await value(ready, NEXT) == 1
        # What it hides was received, and is in no projection: the watermark stays before it.
        later = datetime.now(UTC) + timedelta(seconds=6)
        await until(
            ready,
            "SELECT max(end_seen_at) FROM segments.lane WHERE partition = 1",
            lambda seen: seen > later,
        )
        complete_until = await value(ready, "SELECT complete_until FROM reporting.watermark")
        await producer.commit_transaction()
        await folded(ready)
    assert await outcomes(ready) == ["event", "event", "event", "hole"]
    assert complete_until <= await value(
        ready, "SELECT min(received_at) FROM reporting.event WHERE user_id IN ('hanging', 'behind')"
    )
    await sound(ready)
