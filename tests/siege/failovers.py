"""What befalls processes and servers: ends, freezes, restarts, and a Postgres that comes back older than it was."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.siege.site import Site

    Failover = Callable[[Site, random.Random], Awaitable[None]]

FROZEN_SECONDS = 12.0
"""Longer than a group's session: lanes move to others meanwhile."""
LOST_SECONDS = 5.0
"""What is lost when Postgres comes back older."""


async def kill_process(site: Site, rng: random.Random) -> None:
    """Kill -9 one process, and start another in its place."""
    site.replace(rng.choice(site.running))


async def freeze_process(site: Site, rng: random.Random) -> None:
    """SIGSTOP an ingest or project process until its lanes have moved, then SIGCONT."""
    process = rng.choice([one for one in site.running if one.role != "api"])
    process.pause()
    await asyncio.sleep(FROZEN_SECONDS)
    process.resume()


async def restart_postgres(site: Site, rng: random.Random) -> None:
    """Postgres ends, in order or by a power cut, and comes back."""
    await asyncio.to_thread(getattr(site.stack.postgres, rng.choice(("stop", "kill"))))
    await asyncio.sleep(1)
    await asyncio.to_thread(site.stack.postgres.start)


async def restart_kafka(site: Site, rng: random.Random) -> None:
    """Kafka ends, in order or by a power cut, and comes back."""
    await asyncio.to_thread(getattr(site.stack.kafka, rng.choice(("stop", "kill"))))
    await asyncio.sleep(1)
    await asyncio.to_thread(site.stack.kafka.start)


async def older_postgres(site: Site, rng: random.Random) -> None:
    """Put an older copy of the data directory back under processes that live on, as a failover to a replica does.

    Between copy and return commands are appended and segments changed that are then not there any more.
    """
    data = await _data_directory(site)
    older = data.with_name("older")
    await asyncio.to_thread(site.stack.postgres.stop)
    await asyncio.to_thread(_copy, data, older)
    await asyncio.to_thread(site.stack.postgres.start)
    await asyncio.sleep(LOST_SECONDS + rng.random())
    await asyncio.to_thread(site.stack.postgres.kill)
    await asyncio.to_thread(shutil.rmtree, data)
    older.rename(data)
    await asyncio.to_thread(site.stack.postgres.start)


async def _data_directory(site: Site) -> Path:
    connection: asyncpg.Connection[Any] = await asyncpg.connect(site.stack.database_url)
    try:
        return Path(await connection.fetchval("SHOW data_directory"))
    finally:
        await connection.close()


def _copy(data: Path, older: Path) -> None:
    """Copy with owners and modes, which Postgres looks at."""
    shutil.rmtree(older, ignore_errors=True)
    subprocess.run(["cp", "--archive", str(data), str(older)], check=True)


FAILOVERS: Mapping[str, Failover] = {
    failover.__name__: failover
    for failover in (kill_process, freeze_process, restart_kafka, restart_postgres, older_postgres)
}


async def befall(site: Site, names: tuple[str, ...], seed: int, seconds: float) -> list[str]:
    """Let each happen in turn, again and again, until the time is over; each at least once. Gives what happened."""
    rng = random.Random(seed)  # noqa: S311 - seeded
    end = asyncio.get_running_loop().time() + seconds
    happened: list[str] = []
    while names and (
        len(happened) < len(names) or asyncio.get_running_loop().time() < end - FROZEN_SECONDS
    ):
        name = names[len(happened) % len(names)]
        await FAILOVERS[name](site, rng)
        happened.append(name)
        await asyncio.sleep(rng.uniform(1, 4))
    return happened
