"""A long-lived Kafka client, created when Kafka is available and replaced when it is broken."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from service.runtime.backoff import FIRST_SECONDS, sleep_unless
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from structlog.stdlib import BoundLogger

_Client = TypeVar("_Client")


class ReconnectingClient(Generic[_Client]):
    """Holds a client. `run` creates and replaces it.

    make: runs a client while a block runs. log, level: for the line that Kafka is unavailable.
    """

    def __init__(
        self,
        make: Callable[[], AbstractAsyncContextManager[_Client]],
        log: BoundLogger,
        level: Literal["info", "warning"],
    ) -> None:
        self._make = make
        self._log = log
        self._level = level
        self._broken = asyncio.Event()
        self._client: _Client | None = None

    @property
    def client(self) -> _Client | None:
        """The client; None while there is none."""
        return self._client

    @property
    def is_broken(self) -> bool:
        """Whether the client is to be replaced."""
        return self._broken.is_set()

    def replace(self) -> None:
        """Replace the client, because it is broken."""
        self._broken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep a client until `stop` is set; retry while Kafka is unavailable."""
        supervisor = Supervisor(stop, self._log, "waiting for Kafka", level=self._level)
        stopping = asyncio.ensure_future(stop.wait())

        async def keep() -> None:
            try:
                async with self._make() as client:
                    self._broken.clear()
                    self._client = client
                    supervisor.succeeded()
                    broken = asyncio.ensure_future(self._broken.wait())
                    await asyncio.wait((broken, stopping), return_when=asyncio.FIRST_COMPLETED)
                    broken.cancel()
                    self._client = None
            finally:
                self._client = None
            await sleep_unless(stop, FIRST_SECONDS)

        await supervisor.run(keep)
        stopping.cancel()
