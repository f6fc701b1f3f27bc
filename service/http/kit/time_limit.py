"""A time limit for many short waits: one timer for all of them, where asyncio.timeout() sets one for each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from types import TracebackType


class TimeLimit:
    """Limits blocks to a number of seconds each, the same for all, so they expire in the order of their start."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._open: dict[_Block, float] = {}  # with the deadline, in the loop's time
        self._timer: asyncio.TimerHandle | None = None

    def block(self) -> _Block:
        """Return a context whose block raises TimeoutError after the limit, as asyncio.timeout() does."""
        return _Block(self)

    def start(self, block: _Block) -> None:
        """Let the time of a block begin."""
        loop = asyncio.get_running_loop()
        deadline = self._open[block] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._expire)

    def end(self, block: _Block) -> bool:
        """Forget a block, and return whether it was still in time."""
        return self._open.pop(block, None) is not None

    def _expire(self) -> None:
        """Cancel the expired blocks, and wait for the next one."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for block, deadline in list(self._open.items()):
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._expire)
                break
            del self._open[block]
            block.cancel()


class _Block:
    """One wait. As asyncio.timeout(), it distinguishes its own cancellation from others."""

    __slots__ = ("_cancelling", "_limit", "_task")

    def __init__(self, limit: TimeLimit) -> None:
        self._limit = limit

    def cancel(self) -> None:
        """Cancel the wait."""
        self._task.cancel()

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - only coroutines wait
        self._task = task
        self._cancelling = task.cancelling()
        self._limit.start(self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> Literal[False]:
        if self._limit.end(self):
            return False
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
        return False
