"""How much memory each process takes at most."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BOUND = 200 * 2**20
SAMPLE_SECONDS = 0.25


@dataclass
class Watched:
    """A process. peak: the most resident bytes that it ever had; peaks: by phase, as sampled."""

    role: str
    pid: int
    peak: int = 0
    peaks: dict[str, int] = field(default_factory=dict)

    def sample(self, phase: str) -> None:
        """Look once; the kernel's own high-water mark where it keeps one."""
        with suppress(psutil.Error):
            resident = psutil.Process(self.pid).memory_info().rss
            self.peak = max(self.peak, resident)
            self.peaks[phase] = max(self.peaks.get(phase, 0), resident)
        with suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.peak = max(self.peak, int(line.split()[1]) * 1024)


async def watch(watched: Sequence[Watched], phase: Callable[[], str]) -> None:
    """Sample for ever; the list may grow meanwhile."""
    while True:
        for one in tuple(watched):
            one.sample(phase())
        await asyncio.sleep(SAMPLE_SECONDS)


def peaks(watched: Sequence[Watched], phase: str) -> str:
    """Tell how much memory each process took in a phase, MiB."""
    return ", ".join(
        f"{one.role} {one.peaks[phase] / 2**20:.0f}" for one in watched if phase in one.peaks
    )
