"""Waiting for a condition that nothing announces."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PATIENCE = 300.0
"""Seconds after which a condition that has not come is given up: far more than a busy machine takes."""


class Taken:
    """How long a block took."""

    seconds = 0.0


@contextmanager
def taking() -> Iterator[Taken]:
    """Measure a block. What it may take is told by what the same work took without the fault, just before."""
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
