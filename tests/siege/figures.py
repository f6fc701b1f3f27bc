"""How often something was done in each phase, and how long it took."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

LEAST_RATE, MOST_TIMES = 0.5, 10.0
"""Guarantee 8: beside a hostile network the others keep so much of their rate, and so many times their latency."""
LEAST_SECONDS = 0.01
"""A p99 below is taken for it: ten times next to nothing is still nothing that anybody notices."""


def percentile(values: list[float], share: float) -> float:
    """Give the least value that so large a share does not exceed; infinite where there is none."""
    if not values:
        return math.inf
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@dataclass
class Measured:
    """What one act came to in one phase: seconds of each that was done, and how many were not."""

    taken: list[float] = field(default_factory=list)
    failed: int = 0


@dataclass(frozen=True)
class Figure:
    """An act in a phase. rate: done a second. p50, p99: seconds. of_rate, times_p99: beside those of `alone`."""

    phase: str
    act: str
    rate: float
    p50: float
    p99: float
    failed: int
    of_rate: float
    times_p99: float
    is_checked: bool

    @property
    def holds(self) -> bool:
        """Whether it is within the guarantee, as far as that asks."""
        return not self.is_checked or (self.of_rate >= LEAST_RATE and self.times_p99 <= MOST_TIMES)

    def as_dict(self) -> dict[str, object]:
        return asdict(self) | {"holds": self.holds}


class Figures:
    """Collects what is measured, phase by phase. done: how often each act was done, in all."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self._phases: list[tuple[str, bool, float, dict[str, Measured]]] = []
        self._now: dict[str, Measured] | None = None
        self._began = 0.0

    def begin(self) -> None:
        """Begin a phase; what is under way counts where it ends."""
        self._now, self._began = {}, time.monotonic()

    def end(self, phase: str, *, is_checked: bool) -> None:
        """End the phase that was begun."""
        assert self._now is not None
        self._phases.append((phase, is_checked, time.monotonic() - self._began, self._now))
        self._now = None

    def add(self, act: str, seconds: float | None) -> None:
        """Count something that was done, or None for what was not."""
        if seconds is not None:
            self.done[act] += 1
        if self._now is None:
            return
        measured = self._now.setdefault(act, Measured())
        if seconds is None:
            measured.failed += 1
        else:
            measured.taken.append(seconds)

    def all(self) -> list[Figure]:
        """Give every figure; the first phase is what the others are held against."""
        if not self._phases:
            return []
        _, _, base_seconds, base = self._phases[0]
        acts = sorted({act for _, _, _, measured in self._phases for act in measured})
        found = []
        for phase, is_checked, seconds, measured in self._phases:
            for act in acts:
                here = measured.get(act, Measured())
                rate, p99 = len(here.taken) / seconds, percentile(here.taken, 0.99)
                alone = len(base.get(act, Measured()).taken) / base_seconds
                usual = max(percentile(base.get(act, Measured()).taken, 0.99), LEAST_SECONDS)
                found.append(
                    Figure(
                        phase, act, rate, percentile(here.taken, 0.5), p99, here.failed,
                        rate / alone if alone else math.inf, p99 / usual, is_checked,
                    )
                )  # fmt: skip
        return found
