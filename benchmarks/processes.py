"""The service as real processes: start, memory samples, freeze and resume, stop."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from benchmarks.world import World

SEGMENTS = str(Path(sys.executable).with_name("segments"))
SAMPLE_SECONDS = 0.25


@dataclass(slots=True)
class Running:
    """A process of the service. memory: (seconds since its start, resident bytes), sampled."""

    role: str
    process: asyncio.subprocess.Process
    log: IO[bytes]
    memory: list[tuple[float, int]] = field(default_factory=list)

    def hold(self) -> None:
        """Freeze it (SIGSTOP)."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume it (SIGCONT)."""
        self.process.send_signal(signal.SIGCONT)

    def check(self) -> None:
        """Raise RuntimeError if it has ended by itself."""
        if self.process.returncode is not None:
            self.log.seek(0)
            output = self.log.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{self.role} ended with {self.process.returncode}: {output}")


@asynccontextmanager
async def running(world: World, *roles: str) -> AsyncIterator[list[Running]]:
    """Run a process per named role; several of one role share its work."""
    started: list[Running] = []
    sampling = None
    try:
        for role in roles:
            log = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
            process = await asyncio.create_subprocess_exec(
                SEGMENTS, role, env=world.environment, stdout=log, stderr=log
            )
            started.append(Running(role, process, log))
        sampling = asyncio.create_task(_sample(started))
        yield started
    finally:
        if sampling is not None:
            sampling.cancel()
        for one in started:
            await _end(one)


async def _sample(started: Sequence[Running]) -> None:
    began = time.monotonic()
    watched = [(one, psutil.Process(one.process.pid)) for one in started]
    while True:
        for one, process in watched:
            with suppress(psutil.NoSuchProcess):
                one.memory.append((time.monotonic() - began, process.memory_info().rss))
        await asyncio.sleep(SAMPLE_SECONDS)


async def _end(one: Running) -> None:
    if one.process.returncode is None:
        one.resume()
        one.process.terminate()
        try:
            await asyncio.wait_for(one.process.wait(), 15)
        except TimeoutError:
            one.process.kill()
            await one.process.wait()
    one.log.close()


class Meter:
    """Measures the processor's time of processes and of their backends, where Postgres is on this machine."""

    def __init__(self, world: World, processes: Sequence[Running]) -> None:
        self._world = world
        self._processes = processes
        self.cores = 0.0

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[None]:
        """Measure the block: afterwards `cores` is the processor's seconds a second."""
        before, began = await self._times(), time.perf_counter()
        yield
        after, seconds = await self._times(), time.perf_counter() - began
        self.cores = sum(spent - before.get(pid, 0.0) for pid, spent in after.items()) / seconds

    async def _times(self) -> dict[int, float]:
        """Give the processor's seconds of each process so far. A backend that has ended meanwhile is left out."""
        rows = await self._world.owner.fetch(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name IN ('segments_ingest', 'segments_project')"
        )
        pids = [one.process.pid for one in self._processes] + [row["pid"] for row in rows]
        times = {}
        for pid in pids:
            with suppress(psutil.NoSuchProcess):
                spent = psutil.Process(pid).cpu_times()
                times[pid] = spent.user + spent.system
        return times


async def run_command(world: World, *arguments: str) -> float:
    """Run `segments` with arguments to its end; return the seconds."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        SEGMENTS,
        *arguments,
        env=world.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(
            f"segments {' '.join(arguments)}: {output.decode(errors='replace')[-2000:]}"
        )
    return time.perf_counter() - began
