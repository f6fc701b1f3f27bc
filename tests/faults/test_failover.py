"""A replica of Postgres takes over while commands pour in and processes are killed: `make chaos`."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import pytest

from service.postgres.database import database_url
from stack.ports import free_port
from stack.postgres_binaries import postgres_binaries
from tests.faults.load import kill_and_replace, under_load
from tests.faults.test_servers import in_thread
from tests.support.database import until, value
from tests.support.proxy import database_proxy
from tests.support.waiting import holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings
    from stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.chaos]
SEED = 31
EVENTS = "SELECT count(*) FROM segments.event"


class Replica:
    """A streaming replica beside the stack's Postgres, as the same system user."""

    def __init__(self, primary: int, data: Path) -> None:
        self.port = free_port()
        self._primary = primary
        self._data = data.with_name("replica")
        self._binaries = postgres_binaries(os.environ)
        self._user = data.stat().st_uid

    async def start(self) -> None:
        """Copy the primary's files while it runs, and follow it."""
        self._data.mkdir(mode=0o700)
        os.chown(self._data, self._user, -1)
        await asyncio.to_thread(
            subprocess.check_call,
            [self._binaries / "pg_basebackup", "--pgdata", self._data, "--host=127.0.0.1", f"--port={self._primary}",
             "--username=postgres", "--write-recovery-conf", "--checkpoint=fast"],
            user=self._user,
        )  # fmt: skip
        self._process = subprocess.Popen(  # noqa: ASYNC220 - it outlives this function
            [self._binaries / "postgres", "-D", self._data, "-p", str(self.port),
             "-c", f"unix_socket_directories={self._data}"],
            user=self._user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        await holds(self._answers)

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url)
        except (OSError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    async def lose_touch(self) -> None:
        """Receive nothing from the primary any more."""
        connection = await asyncpg.connect(self.url)
        await connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
        await connection.execute("SELECT pg_reload_conf()")

        async def is_alone() -> bool:
            return not await connection.fetchval("SELECT count(*) FROM pg_stat_wal_receiver")

        await holds(is_alone)
        await connection.close()

    async def promote(self) -> None:
        connection = await asyncpg.connect(self.url)
        assert await connection.fetchval("SELECT pg_promote()")
        await connection.close()

    async def events(self, settings: Settings) -> int:
        """Count the events that it has."""
        url = urlsplit(database_url(settings))._replace(netloc=f"postgres@127.0.0.1:{self.port}")
        connection = await asyncpg.connect(url.geturl())
        count: int = await connection.fetchval(EVENTS)
        await connection.close()
        return count

    def end(self) -> None:
        if hasattr(self, "_process"):
            self._process.terminate()
            self._process.wait()
        shutil.rmtree(self._data, ignore_errors=True)


@asynccontextmanager
async def replica_of(settings: Settings) -> AsyncIterator[Replica]:
    data = Path(await value(settings, "SHOW data_directory"))
    if not data.is_dir():  # noqa: ASYNC240 - a look at the disk
        pytest.skip("Postgres' files are not on this machine")
    replica = Replica(urlsplit(database_url(settings)).port or 5432, data)
    try:
        await replica.start()
        yield replica
    finally:
        replica.end()


async def test_a_replica_that_lacks_the_last_events_takes_over_under_load_and_kills(
    own_stack: Stack, faulty: Settings
) -> None:
    """What the primary had committed and the replica had not received is read again from Kafka."""
    rng = random.Random(SEED)  # noqa: S311 - to be had again by its seed
    try:
        async with (
            replica_of(faulty) as replica,
            database_proxy(faulty) as (proxy, through),
            under_load(
                through, ["ingest", "ingest", "project", "project"], seed=SEED, commands=6000, seconds=15
            ) as running,
        ):  # fmt: skip
            await asyncio.sleep(4)
            await kill_and_replace(through, running, rng)
            await replica.lose_touch()
            kept = await value(faulty, EVENTS)
            await until(faulty, EVENTS, lambda count: count > kept + 300)
            proxy.refuse()
            await in_thread(own_stack.postgres, "kill")
            await replica.promote()
            proxy.lead_to("127.0.0.1", replica.port)
            assert await replica.events(faulty) <= kept
            proxy.mend()
            await kill_and_replace(through, running, rng)
    finally:
        await in_thread(own_stack.postgres, "start")
