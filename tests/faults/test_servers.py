"""Postgres and Kafka go away and come back; the service waits and goes on by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.faults.load import under_load

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from stack import Part, Stack

pytestmark = [pytest.mark.stack, pytest.mark.fault]
ROLES = ["ingest", "ingest", "project", "project"]


async def in_thread(part: Part, *actions: str) -> None:
    for action in actions:
        await asyncio.to_thread(getattr(part, action))


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_postgres_may_end_under_load(own_stack: Stack, faulty: Settings, end: str) -> None:
    async with under_load(faulty, list(ROLES), seed=11, commands=3000, seconds=8) as running:
        await asyncio.sleep(2)
        await in_thread(own_stack.postgres, end)
        await asyncio.sleep(1)
        await in_thread(own_stack.postgres, "start")
        assert all(process.running for process in running)


async def test_postgres_may_be_away_for_longer_than_the_groups_session(
    own_stack: Stack, faulty: Settings
) -> None:
    """The partitions are paused, heartbeats go on; nobody has to be restarted."""
    async with under_load(faulty, list(ROLES), seed=12, commands=3000, seconds=16) as running:
        await asyncio.sleep(2)
        await in_thread(own_stack.postgres, "stop")
        await asyncio.sleep(12)
        await in_thread(own_stack.postgres, "start")
        assert all(process.running for process in running)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_kafka_may_end_under_load(own_stack: Stack, faulty: Settings, end: str) -> None:
    async with under_load(faulty, list(ROLES), seed=13, commands=3000, seconds=8) as running:
        await asyncio.sleep(2)
        await in_thread(own_stack.kafka, end)
        await asyncio.sleep(1)
        await in_thread(own_stack.kafka, "start")
        assert all(process.running for process in running)


async def test_a_frozen_postgres_is_waited_for(own_stack: Stack, faulty: Settings) -> None:
    async with under_load(faulty, list(ROLES), seed=14, commands=3000, seconds=10) as running:
        await asyncio.sleep(2)
        await in_thread(own_stack.postgres, "pause")
        await asyncio.sleep(5)
        await in_thread(own_stack.postgres, "resume")
        assert all(process.running for process in running)
