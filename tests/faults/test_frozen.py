"""Kafka is frozen: what `status` says of it, and how soon commands give up."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.test_servers import in_thread
from tests.support.command_line import run
from tests.support.database import make_segments, until
from tests.support.roles import processes
from tests.support.waiting import PATIENCE, taking

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.fault]
SEND = ("send", "--network", "n", "--user", "u", "--segment", "1", "--status", "add")


async def test_status_warns_and_commands_give_up_within_seconds(
    own_stack: Stack, faulty: Settings
) -> None:
    await make_segments(faulty)
    with taking() as usual:
        await run(faulty, "status")
    with processes(faulty, "ingest"):
        await until(faulty, "SELECT count(end_seen_at) = 4 FROM segments.lane")
        await in_thread(own_stack.kafka, "pause")
        frozen = time.monotonic()
        try:
            for arguments, seconds in (
                (("status", "--wait", "1"), 2),
                (SEND, 10),
                (("setup", "--check"), 10),
            ):
                with taking() as frozen_it_takes:
                    result = await run(faulty, *arguments)
                # Its own limit, as it says below, and not that of a request, which is 40 s.
                assert frozen_it_takes.seconds < seconds + 20 + 3 * usual.seconds
                assert (result.code, result.out) == (1, "")
                servers = faulty.kafka_bootstrap_servers
                assert (
                    result.err
                    == f"Error: Can't reach Kafka: {servers}: no answer within {seconds} s\n"
                )
            while not any(
                "Kafka is unavailable" in warning
                for warning in (await run(faulty, "status", "--json")).json["warnings"]
            ):
                assert time.monotonic() - frozen < PATIENCE
                await asyncio.sleep(0.2)
        finally:
            await in_thread(own_stack.kafka, "resume")
        while (await run(faulty, "status", "--json")).json["warnings"]:
            assert time.monotonic() - frozen < 2 * PATIENCE
            await asyncio.sleep(0.2)
