"""LISTEN and NOTIFY: a commit wakes other processes at once. They poll as well: a lost notification costs only time."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from service.postgres.database import connect
from service.runtime.backoff import sleep_unless
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    from service.postgres.database import Database
    from service.runtime.settings import Settings

log = get_logger("postgres.notifications")
# The log has new rows.
APPENDED = "segments_appended"
# The listening connection is checked this often, in seconds.
CHECK_SECONDS = 5.0


class Notifier:
    """Sends notifications, each in a transaction of its own; those requested while one is under way become one."""

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel
        self._due = asyncio.Event()

    def notify(self) -> None:
        """Request a notification."""
        self._due.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send what is requested until cancelled; faults of Postgres are waited out."""
        supervisor = Supervisor(stop, log, "could not notify")
        await supervisor.run(partial(self._send, supervisor))

    async def _send(self, supervisor: Supervisor) -> None:
        await self._due.wait()
        self._due.clear()
        async with self._database.single() as connection:
            await connection.execute("SELECT pg_notify($1, '')", self._channel)
        supervisor.succeeded()


class Wakeups:
    """Counts wake-ups, and lets tasks wait for the next one. can_be_missed: a task must look by itself often."""

    def __init__(self) -> None:
        self.count = 0
        self.can_be_missed = False
        self._next: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Wake all that wait."""
        self.count += 1
        if self._next is not None and not self._next.done():
            self._next.set_result(None)

    async def wait_beyond(self, count: int, seconds: float) -> None:
        """Wait until there were more than `count` wake-ups, at most this many seconds."""
        if self.count > count:
            return
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._next], timeout=seconds)


class Listener(Wakeups):
    """Wakes at each notification of a channel, which arrives on a connection of its own.

    Behind a transaction pooler there are no notifications.
    """

    def __init__(self, settings: Settings, role: str, channel: str) -> None:
        super().__init__()
        self._settings = settings
        self._role = role
        self._channel = channel
        self.can_be_missed = True

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set; faults of Postgres are waited out."""
        if self._settings.database_pooler == "transaction":
            return
        supervisor = Supervisor(stop, log, "not listening")
        await supervisor.run(partial(self._listen, supervisor))

    async def _listen(self, supervisor: Supervisor) -> None:
        connection = await connect(self._settings, self._role)
        try:
            await connection.add_listener(self._channel, self._notified)
            supervisor.succeeded()
            self.can_be_missed = False
            self.wake()  # for what was notified before
            while not supervisor.stop.is_set():
                await sleep_unless(supervisor.stop, CHECK_SECONDS)
                await connection.fetchval("SELECT 1", timeout=CHECK_SECONDS)
        finally:
            self.can_be_missed = True
            self.wake()
            connection.terminate()

    def _notified(self, *_: Any) -> None:
        self.wake()
