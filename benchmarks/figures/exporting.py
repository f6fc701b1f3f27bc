"""Export to Parquet beside COPY out of the same rows; a full one and its import; the fold by DuckDB and Spark."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from benchmarks.figure import Figure, Sample
from benchmarks.filling import FILLED, Filling, fill
from benchmarks.load import USERS
from benchmarks.processes import SEGMENTS, run_command
from benchmarks.world import fresh_world
from projections.export.copying import SECONDS
from projections.export.tables import SQL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.world import Place, World

EXPORT = "export to Parquet, 1M events with history and states"
MEMORY = "memory of an export"
FULL = "memory of a full export"
IMPORT = "import of a full export, 1M events, with the rebuild"
DUCKDB = "the fold of an export by DuckDB, 1M events over 100k keys"
SPARK = "the fold of an export by Spark, {} local core(s)"
EVENTS = 1_000_000
_COPY = "COPY of the same rows out into a pipe"
_REBUILD = "segments rebuild of the same log"
_IN_DUCKDB = "DuckDB"
_MEMORY = "memory, MiB"
FIGURES = (
    Figure(EXPORT, "≥ 0.3 of COPY out", "rows/s", lambda value, limits: value >= 0.3 * limits[_COPY]),
    Figure(MEMORY, "≤ 200 MiB", "MiB", lambda value, _: value <= 200),
    Figure(FULL, "≤ 200 MiB", "MiB", lambda value, _: value <= 200),
    Figure(IMPORT, "memory ≤ 200 MiB", "events/s", lambda _value, limits: limits[_MEMORY] <= 200),
    Figure(DUCKDB, "none", "events/s", lambda _value, _limits: True),
    *(Figure(SPARK.format(cores), "none", "events/s", lambda _value, _limits: True) for cores in (1, 2)),
)  # fmt: skip


async def measure(place: Place) -> list[Sample]:
    """Measure once: the time of each command minus that of its `--help`; Spark includes the start of its JVM."""
    count = place.scaled(EVENTS)
    async with fresh_world(place) as world:
        await fill(world, Filling(count, USERS))
        starting = await run_command(world, "export", "--help")
        rebuilt = count / (await run_command(world, "rebuild") - starting)
        await world.owner.execute("CHECKPOINT")
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            rows, copied = await _copy_out(world)
            seconds, most = await _measured(world, "export", "--to", str(root / "export"))
            limits = {_REBUILD: rebuilt}
            samples = [
                Sample(EXPORT, rows / (seconds - starting), {_COPY: copied}, {"rows": rows}),
                Sample(MEMORY, most / 2**20),
            ]
            seconds, most = await _measured(
                world, "fold", str(root / "export"), "--to", str(root / "duckdb")
            )
            by_duckdb = count / (seconds - starting)
            samples.append(Sample(DUCKDB, by_duckdb, limits, {_MEMORY: most / 2**20}))
            _, most = await _measured(world, "export", "--full", "--to", str(root / "full"))
            samples.append(Sample(FULL, most / 2**20))
            async with _copy_of(world) as copy:
                seconds, most = await _measured(copy, "import-log", str(root / "full"))
            imported = count / (seconds - starting)
            samples.append(Sample(IMPORT, imported, limits, {_MEMORY: most / 2**20}))
            for cores in (1, 2) if importlib.util.find_spec("pyspark") else ():
                seconds, _ = await _measured(
                    world, "fold", str(root / "export"), "--to", str(root / f"spark{cores}"),
                    "--engine", "spark", "--master", f"local[{cores}]",
                )  # fmt: skip
                beside = limits | {_IN_DUCKDB: by_duckdb}
                samples.append(Sample(SPARK.format(cores), count / (seconds - starting), beside))
        return samples


@asynccontextmanager
async def _copy_of(world: World) -> AsyncIterator[World]:
    """Create another database in the state in which `segments setup` leaves it; remove it afterwards."""
    name = f"{world.settings.topic_prefix}_copy"
    url = urlunsplit(urlsplit(world.url)._replace(path=f"/{name}"))
    await world.owner.execute(f"CREATE DATABASE {name}")
    try:
        copy = replace(world, url=url)
        await run_command(copy, "setup", "--no-topics")
        yield copy
    finally:
        await world.owner.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def _copy_out(world: World) -> tuple[int, float]:
    """COPY what an export reads of this log to nowhere, as text; returns the rows, and rows per second."""

    async def drop(_part: bytes) -> None:
        pass

    rows = 0
    began = time.perf_counter()
    since = datetime.min.replace(tzinfo=UTC)
    queries: list[tuple[str, tuple[Any, ...]]] = [
        (SQL[table], (None, since)) for table in ("user_segment", "membership_history")
    ]
    lanes = await world.owner.fetch(
        "SELECT partition, next_offset FROM segments.lane WHERE topic = $1", FILLED
    )
    queries += [(SQL["event"], (FILLED, partition, 0, 0, end, None)) for partition, end in lanes]
    for query, arguments in queries:
        tag = await world.owner.copy_from_query(
            query, *arguments, output=drop, format="csv", timeout=SECONDS
        )
        rows += int(tag.split()[-1])
    return rows, rows / (time.perf_counter() - began)


async def _measured(world: World, *arguments: str) -> tuple[float, int]:
    """Run a command; return its seconds, and the most memory that it had, in bytes."""

    def run() -> tuple[float, int]:
        began = time.perf_counter()
        pid = os.posix_spawn(SEGMENTS, [SEGMENTS, *arguments], world.environment)
        _, status, used = os.wait4(pid, 0)
        if os.waitstatus_to_exitcode(status):
            raise RuntimeError(f"segments {' '.join(arguments)} failed")
        return time.perf_counter() - began, used.ru_maxrss * 1024

    return await asyncio.to_thread(run)
