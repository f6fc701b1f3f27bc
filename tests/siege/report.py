"""What is told at the end: as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING

from tests.siege.hostile.kinds import KINDS
from tests.siege.hostile.target import BREACH
from tests.siege.memory import BOUND

if TYPE_CHECKING:
    from pathlib import Path

    from tests.siege.figures import Figure
    from tests.siege.guarantees import Guarantee
    from tests.siege.memory import Watched

MOST_LINES = 12


@dataclass
class Report:
    """A siege that is over. faults: of the siege itself, such as an attack that failed by its own fault.

    attackers_give_way: as Plan has it.
    """

    seed: int
    attackers_give_way: bool
    figures: list[Figure] = field(default_factory=list)
    memory: list[Watched] = field(default_factory=list)
    guarantees: list[Guarantee] = field(default_factory=list)
    tallies: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    happened: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def broken(self, *, check_figures: bool = True) -> list[str]:
        """Name what does not hold. check_figures: rates and latencies too, which a short siege can't tell."""
        found = [
            f"guarantee {one.name}: {one.broken[0][:300]}" for one in self.guarantees if one.broken
        ]
        found += [
            f"memory of {one.role} {one.pid}: {one.peak / 2**20:.0f} MiB"
            for one in self.memory
            if one.peak > BOUND
        ]
        found += [
            f"{phase}, {name}: {what}, {count} times"
            for phase, attacks in self.tallies.items()
            for name, tally in attacks.items()
            for what, count in tally.items()
            if what.startswith(BREACH)
        ]
        found += [
            f"{name} did not attack in any phase: it came to {self._tally(name) or 'nothing'}"
            for name in sorted({name for attacks in self.tallies.values() for name in attacks})
            if not KINDS[name].attacked(self._tally(name))
        ]
        if check_figures:
            found += [f"{_line(figure)}" for figure in self.figures if not figure.holds]
        return found + self.faults

    def _tally(self, name: str) -> dict[str, int]:
        """Give what came of an attack in all phases together."""
        tally: Counter[str] = Counter()
        for attacks in self.tallies.values():
            tally.update(attacks.get(name, {}))
        return dict(sorted(tally.items()))

    def text(self) -> str:
        """Tell all of it."""
        told = _OF_THEIR_OWN if self.attackers_give_way else _BESIDE_OTHERS
        lines = [f"Siege, seed {self.seed}", told, "", _HEADING, *map(_line, self.figures), ""]
        lines += ["Memory, peak MiB of each process (at most 200)"]
        for one in self.memory:
            phase, peak = max(one.peaks.items(), key=itemgetter(1), default=("", 0))
            sampled = f"(sampled: {peak / 2**20:.0f}, in {phase})"
            lines.append(f"  {one.role:8} {one.pid:>7} {one.peak / 2**20:6.0f}  {sampled}")
        lines += ["", "Failovers: " + (", ".join(self.happened) or "none"), "", "Guarantees"]
        for guarantee in self.guarantees:
            lines.append(f"  {'BROKEN' if guarantee.broken else 'holds '} {guarantee.name}")
            lines += [f"      {what[:500]}" for what in guarantee.broken[:MOST_LINES]]
        lines += ["", "What came of the attacks"]
        for phase, attacks in self.tallies.items():
            for name, tally in attacks.items():
                told = ", ".join(f"{what} {count}" for what, count in sorted(tally.items()))
                lines.append(f"  {phase:14} {name:14} {told}")
        broken = self.broken()
        lines += [
            "",
            "Broken:" if broken else "All guarantees hold.",
            *(f"  {one}" for one in broken),
        ]
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> None:
        """Write JSON to a path, and text beside it."""
        told = {
            "seed": self.seed,
            "attackers_give_way": self.attackers_give_way,
            "figures": [figure.as_dict() for figure in self.figures],
            "memory": [asdict(one) for one in self.memory],
            "guarantees": [asdict(guarantee) for guarantee in self.guarantees],
            "attacks": self.tallies,
            "failovers": self.happened,
            "broken": self.broken(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")
        path.with_suffix(".txt").write_text(self.text())


_OF_THEIR_OWN = (
    "The attackers' own processes take only processor time that nobody else wants, as though they were on other\n"
    "machines; what their requests cause in the service, Postgres and Kafka has full priority."
)
_BESIDE_OTHERS = (
    "The attackers' own processes take processor time from the service, Postgres and Kafka: the figures tell of more\n"
    "than these."
)
_HEADING = (
    "phase          act        a second  of alone   p50 ms    p99 ms  of alone  failed\n"
    "(the good network's; at least half its rate and at most ten times its p99 alone)"
)


def _line(figure: Figure) -> str:
    mark = "" if figure.holds else "  BROKEN"
    told = "" if figure.is_checked else "  (reported, not checked)"
    return (
        f"{figure.phase:14} {figure.act:9} {figure.rate:9.1f} {figure.of_rate:8.2f}"
        f" {figure.p50 * 1000:8.1f} {figure.p99 * 1000:9.1f} {figure.times_p99:8.1f} {figure.failed:7}{mark}{told}"
    )
