"""Waiting that a stop cuts short."""

from __future__ import annotations

import asyncio
from contextlib import suppress


async def sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    """Sleep for so many seconds, but no longer than until `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
