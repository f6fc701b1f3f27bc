"""How far something is that takes long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

# Told before each step: its name, how many are done, and how many there are.
Progress = Callable[[str, int, int], Awaitable[None]]


async def silent(_step: str, _done: int, _steps: int) -> None:
    """Tell nobody."""
