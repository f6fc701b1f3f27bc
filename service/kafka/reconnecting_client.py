"""A client of Kafka that is kept: made when Kafka is there, and made anew when it is of no more use."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from service.runtime.backoff import INFRASTRUCTURE, Backoff, sleep_unless

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

_Client = TypeVar("_Client")


class ReconnectingClient(Generic[_Client]):
    """Holds a client. `run` keeps it.

    make: runs one while a block runs. tell: the method of a log by which it is said, once, that Kafka is waited for.
    """

    def __init__(
        self,
        make: Callable[[], AbstractAsyncContextManager[_Client]],
        tell: Callable[..., Any],
    ) -> None:
        self._make = make
        self._tell = tell
        self._broken = asyncio.Event()
        self._client: _Client | None = None

    @property
    def client(self) -> _Client | None:
        """The client; None while there is none."""
        return self._client

    @property
    def is_broken(self) -> bool:
        """Whether another one is to be made."""
        return self._broken.is_set()

    def replace(self) -> None:
        """Have another client made: this one is of no more use."""
        self._broken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep a client until `stop` is set; Kafka away is waited out."""
        backoff = Backoff()
        stopping = asyncio.ensure_future(stop.wait())
        while not stop.is_set():
            try:
                async with self._make() as client:
                    self._broken.clear()
                    self._client = client
                    backoff.reset()
                    broken = asyncio.ensure_future(self._broken.wait())
                    await asyncio.wait((broken, stopping), return_when=asyncio.FIRST_COMPLETED)
                    broken.cancel()
                    self._client = None
            except INFRASTRUCTURE as error:
                if not backoff.began:
                    self._tell("waiting for Kafka", error=f"{type(error).__name__}: {error}")
            finally:
                self._client = None
            if not stop.is_set():
                await sleep_unless(stop, backoff.next())
        stopping.cancel()
