"""The well-behaved network: a steady rate over HTTP and Kafka, reads, and how long it all takes."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.topics import Topics
from service.kafka.clients import connection_options
from service.postgres.database import database_url
from tests.siege.figures import Figures
from tests.siege.hostile.records import command_json
from tests.siege.hostile.target import GOOD
from tests.siege.hostile.wire import answer, request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.siege.site import Site

    Step = Callable[[], Awaitable[bool]]

EACH_SECOND = {"post": 20, "kafka": 20, "read": 10, "visible": 10}
"""How often it does what, at most; what is late is not made up for."""
WORKERS = {"post": 4, "kafka": 2, "read": 2, "visible": 4}
STATUSES = {
    1: ("add", "block", "reset"),
    2: ("add", "enter", "block", "leave", "reset"),
    3: ("add",),
}
"""What is said of each segment: of the first over HTTP, of the others over Kafka."""
GIVE_UP = 30.0
_MEMBER = (
    "SELECT EXISTS (SELECT FROM reporting.user_segment"
    " WHERE network_id = $1 AND segment_id = 3 AND user_id = $2)"
)


class Good:
    """Runs until it is cancelled. figures: what it measured, by phase. taken: commands that were answered 201."""

    def __init__(self, site: Site) -> None:
        self.figures = Figures()
        self.taken = 0
        self.posted = 0
        self._site = site
        self._numbers = itertools.count()
        self._topic = Topics(site.settings.topic_prefix).commands
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def run(self) -> None:
        """Do all of it, each at its rate."""
        acts = {"post": _Poster, "kafka": _Publisher, "read": _Reader, "visible": _Prober}
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, make in acts.items():
                    for _ in range(WORKERS[name]):
                        tasks.create_task(self._pace(name, make(self)))
        finally:
            if self._producer is not None:
                await asyncio.wait_for(self._producer.stop(), 10)

    async def _pace(self, name: str, act: _Act) -> None:
        try:
            await self._pace_until_cancelled(name, act)
        finally:
            await act.drop()

    async def _pace_until_cancelled(self, name: str, act: _Act) -> None:
        pause = WORKERS[name] / EACH_SECOND[name]
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(GIVE_UP):
                    is_done = await act.step()
            except (OSError, EOFError, TimeoutError, KafkaError, asyncpg.PostgresError,
                    asyncpg.InterfaceError, asyncpg.InternalClientError, AssertionError):  # fmt: skip
                is_done = False
                await act.drop()
            took = time.monotonic() - began
            self.figures.add(name, took if is_done else None)
            # Who was refused asks again no sooner than who was not.
            await asyncio.sleep(max(0.0, pause - took))

    def command(self, segment: int) -> tuple[str, bytes]:
        """Make a command that nobody made before, with its time: again it would be a duplicate. Gives its user too."""
        number = next(self._numbers)
        user = f"{GOOD}-{number if segment == 3 else number % 300}"
        status = STATUSES[segment][number % len(STATUSES[segment])]
        at = int(time.time()) - 60
        text = command_json(
            user, network_id=GOOD, segment_id=segment, user_status=status,
            status_change_timestamp=at, reference_id=f"{GOOD}-{number}",
        )  # fmt: skip
        return user, text

    async def publish(self, user: str, text: bytes) -> None:
        """Publish to Kafka, and wait until it is there."""
        async with self._starting:
            if self._producer is None:
                options = connection_options(self._site.settings)
                producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=True)
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
        await self._producer.send_and_wait(self._topic, text, f"{GOOD}:{user}".encode())

    @property
    def site(self) -> Site:
        """The installation that it speaks to."""
        return self._site


class _Act:
    """Something that is done again and again. step: do it once; gives whether it was done."""

    def __init__(self, good: Good) -> None:
        self.good = good

    async def step(self) -> bool:
        raise NotImplementedError

    async def drop(self) -> None:
        """Forget connections."""


class _Http(_Act):
    """Asks over one connection that is kept."""

    def __init__(self, good: Good) -> None:
        super().__init__(good)
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, what: bytes) -> int:
        if self._ends is None:
            port = self.good.site.settings.http_port
            self._ends = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        reader, writer = self._ends
        writer.write(what)
        status, _ = await answer(reader)
        return status

    async def drop(self) -> None:
        if self._ends is not None:
            self._ends[1].transport.abort()
            self._ends = None


class _Poster(_Http):
    async def step(self) -> bool:
        _, text = self.good.command(1)
        self.good.posted += 1
        key = self.good.site.keys[GOOD]
        status = await self.ask(request("POST", f"/networks/{GOOD}/segments", text, key))
        self.good.taken += status == 201
        return status == 201


class _Publisher(_Act):
    async def step(self) -> bool:
        await self.good.publish(*self.good.command(2))
        return True


class _Reader(_Http):
    _paths = itertools.cycle(
        (
            f"/networks/{GOOD}/segments/1/members?limit=100",
            f"/networks/{GOOD}/sizes",
            f"/networks/{GOOD}/results?reference_id={GOOD}-1",
        )
    )

    async def step(self) -> bool:
        status = await self.ask(request("GET", next(self._paths), key=self.good.site.keys[GOOD]))
        return status in (200, 404)  # its first result may not be there yet


class _Prober(_Act):
    """From publishing to being seen in a view."""

    def __init__(self, good: Good) -> None:
        super().__init__(good)
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def step(self) -> bool:
        if self._connection is None or self._connection.is_closed():
            url = database_url(self.good.site.settings)
            self._connection = await asyncpg.connect(url, timeout=10)
        user, text = self.good.command(3)
        await self.good.publish(user, text)
        while not await self._connection.fetchval(_MEMBER, GOOD, user):  # noqa: ASYNC110 - it is in Postgres
            await asyncio.sleep(0.01)
        return True

    async def drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
