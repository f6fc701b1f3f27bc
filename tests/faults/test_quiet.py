"""Kafka away is told once and not at every try; what else goes wrong is told as it comes."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from stack.ports import free_port
from tests.cli.test_run import answers
from tests.support.database import folded, make_segments
from tests.support.kafka import NewRecord, publish
from tests.support.roles import Process, processes
from tests.support.waiting import holds

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.fault]
ROLES = ("api", "ingest", "project")
AWAY_SECONDS = 5


def lines(process: Process) -> list[dict[str, Any]]:
    """What a process has written; a line that is not JSON counts as an error."""
    written: list[dict[str, Any]] = []
    for line in process.output().splitlines():
        try:
            written.append(json.loads(line))
        except ValueError:
            written.append({"level": "error", "event": line})
    return written


def is_content(process: Process) -> bool:
    """Whether whatever it waited for is there."""
    waits = Counter(line["event"] for line in lines(process))
    return waits["waiting"] == waits["recovered"]


async def test_kafka_away_is_told_once_by_each_process_and_its_return_too(
    own_stack: Stack, faulty: Settings
) -> None:
    await make_segments(faulty)
    settings = faulty.model_copy(update={"log_format": "json", "http_port": free_port()})
    with processes(settings, *ROLES) as running:
        await answers(settings.http_port, "/health/ready", 200)
        await publish(faulty, [NewRecord(user=f"u{n}", lane=n % 4) for n in range(40)])
        await folded(faulty)
        # A cluster that is new makes its topics first, for groups and transactions.
        await holds(lambda: all(map(is_content, running)))
        before = [len(lines(process)) for process in running]
        await asyncio.to_thread(own_stack.kafka.kill)
        await asyncio.sleep(AWAY_SECONDS)
        await asyncio.to_thread(own_stack.kafka.start)
        await publish(faulty, [NewRecord(user=f"v{n}", lane=n % 4) for n in range(40)])
        await folded(faulty)
        await holds(lambda: all(map(is_content, running)))
        told = {process.role: lines(process)[start:]
                for process, start in zip(running, before, strict=True)}  # fmt: skip
    for role, written in told.items():
        counted = Counter((line["level"], line["event"][:60]) for line in written)
        assert counted["warning", "waiting"] == 1, (role, counted)
        assert counted["info", "recovered"] == 1, (role, counted)
        assert [line for line in written if line["level"] == "error"] == [], (role, counted)
        assert sum(line["level"] == "warning" for line in written) <= 4, (role, counted)
        assert len(written) <= 20, (role, counted)


async def test_kafka_away_is_told_also_by_a_process_that_never_reached_it(
    own_stack: Stack, faulty: Settings
) -> None:
    settings = faulty.model_copy(update={"log_format": "json"})
    await asyncio.to_thread(own_stack.kafka.kill)
    with processes(settings, "project") as (process,):
        try:
            await process.wait_for_output("ownership of topics unknown")
            await holds(lambda: not is_content(process))
            await asyncio.sleep(AWAY_SECONDS)
            assert Counter(line["event"] for line in lines(process))["waiting"] == 1
        finally:
            await asyncio.to_thread(own_stack.kafka.start)
        await holds(lambda: is_content(process))
