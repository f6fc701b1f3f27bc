"""Waits for a condition by polling."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PATIENCE = 300.0
"""The timeout of a condition in seconds: far more than a busy machine takes."""


class Taken:
    """The duration of a block."""

    seconds = 0.0


@contextmanager
def taking() -> Iterator[Taken]:
    """Measure a block. The bound for it is the duration of the same work without the fault, just before."""
    taken, began = Taken(), time.monotonic()
    try:
        yield taken
    finally:
        taken.seconds = time.monotonic() - began


async def holds(
    check: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = PATIENCE
) -> None:
    """Wait until the check passes. Raises: TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            passed = check()
            if passed if isinstance(passed, bool) else await passed:
                return
            await asyncio.sleep(0.02)
