"""Waiting for a condition that nothing announces."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def holds(
    check: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = 20
) -> None:
    """Wait until the check passes. Raises: TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            passed = check()
            if passed if isinstance(passed, bool) else await passed:
                return
            await asyncio.sleep(0.02)
