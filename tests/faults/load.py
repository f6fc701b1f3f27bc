"""A load of random commands, published while faults happen, and the check at the end."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaConnectionError

from tests.histories import history
from tests.support.database import folded, sound
from tests.support.kafka import publish
from tests.support.referee import differences
from tests.support.registries import make_registry
from tests.support.roles import Process

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings

SLICE = 250


class Load:
    """Publishes a history slice by slice, so that faults fall into the middle of it."""

    def __init__(self, settings: Settings, seed: int, commands: int, seconds: float) -> None:
        self._settings = settings
        self._sent = history(
            seed, int(time.time()), commands=commands, lanes=4, users=30, segments=4
        )
        self._pause = seconds * SLICE / commands
        self._published: list[Any] = []
        self._registry: dict[tuple[str, int], bool] = {}

    async def prepare(self) -> None:
        self._registry = await make_registry(self._settings, 2, 4)

    async def run(self) -> None:
        for start in range(0, len(self._sent), SLICE):
            began = time.monotonic()
            part = self._sent[start : start + SLICE]
            for one, meta in zip(part, await self._publish(part), strict=True):
                self._published.append(
                    (one, (meta.topic, meta.partition, meta.offset, meta.timestamp))
                )
            await asyncio.sleep(max(0, self._pause - (time.monotonic() - began)))

    async def _publish(self, part: list[Any]) -> list[Any]:
        """Publish a slice once Kafka is there; nothing of it is sent before a producer has started."""
        while True:
            try:
                return await publish(self._settings, part)
            except KafkaConnectionError:
                await asyncio.sleep(0.2)

    async def check(self) -> None:
        """All is in, the guarantees hold, and every view equals the oracle."""
        await folded(self._settings, 900)
        await sound(self._settings)
        assert len(self._published) == len(self._sent)
        assert await differences(self._settings, self._registry, self._published) == []


@asynccontextmanager
async def under_load(
    settings: Settings, roles: list[str], *, seed: int, commands: int, seconds: float
) -> AsyncIterator[list[Process]]:
    """Run roles under load; the block does its faults; afterwards everything must be as the oracle says.

    The block may replace processes in the list that it is given.
    """
    load = Load(settings, seed, commands, seconds)
    await load.prepare()
    running = [Process(settings, role) for role in roles]
    publishing = asyncio.ensure_future(load.run())
    try:
        yield running
        await publishing
        await load.check()
    except BaseException as error:
        for process in running:
            error.add_note(f"--- {process.role} {process.pid}\n{process.output()[-4000:]}")
        raise
    finally:
        publishing.cancel()
        for process in running:
            if process.running:
                process.resume()
                process.kill()


async def kill_and_replace(settings: Settings, running: list[Process], rng: random.Random) -> None:
    """End one process with SIGKILL, at a random moment, and start another in its place."""
    await asyncio.sleep(rng.uniform(0.1, 0.9))
    place = rng.randrange(len(running))
    running[place].kill()
    running[place] = Process(settings, running[place].role)
