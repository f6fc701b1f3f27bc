"""How much memory each process takes at most."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence

BOUND = 200 * 2**20
SAMPLE_SECONDS = 0.25


@dataclass
class Watched:
    """A process. peak: the most resident bytes that it ever had."""

    role: str
    pid: int
    peak: int = 0

    def sample(self) -> None:
        """Look once; the kernel's own high-water mark where it keeps one."""
        with suppress(psutil.Error):
            self.peak = max(self.peak, psutil.Process(self.pid).memory_info().rss)
        with suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.peak = max(self.peak, int(line.split()[1]) * 1024)


async def watch(watched: Sequence[Watched]) -> None:
    """Sample for ever; the list may grow meanwhile."""
    while True:
        for one in tuple(watched):
            one.sample()
        await asyncio.sleep(SAMPLE_SECONDS)
