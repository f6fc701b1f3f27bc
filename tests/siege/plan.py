"""What happens when, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from tests.siege.hostile.kinds import KINDS

ALONE, AFTER, TOGETHER, FAILOVERS = "alone", "afterwards", "all together", "failovers"


TELLING = 10.0
"""Seconds that a phase takes at least for its rate and p99 to tell anything."""


@dataclass(frozen=True)
class Phase:
    """A stretch of the siege. attacks: what goes on beside the well-behaved network. failovers: what befalls servers.

    is_checked: whether its rate and p99 must stand beside those of `alone`; while a server is away they can't.
    """

    name: str
    seconds: float
    attacks: tuple[str, ...] = ()
    failovers: tuple[str, ...] = ()
    is_checked: bool = True


@dataclass(frozen=True)
class Plan:
    """A whole siege. members, events: of the hostile network's large segment, and of its key with many events.

    attackers_give_way: whether they take only processor time that nobody else on this machine wants, as though they
    were on machines of their own. Where the machine has other work to do, they may then never come to attack.
    """

    phases: tuple[Phase, ...]
    seed: int
    members: int
    events: int
    attackers_give_way: bool


def long_plan(
    minutes: float,
    seed: int,
    attacks: tuple[str, ...],
    failovers: tuple[str, ...],
    *,
    attackers_give_way: bool = True,
) -> Plan:
    """Give a siege of so many minutes: alone, each attack alone, all together, all with failovers, alone again."""
    whole = minutes * 60
    shares = {ALONE: 0.05, AFTER: 0.05, TOGETHER: 0.2, FAILOVERS: 0.2}
    each = whole * (1 - sum(shares.values())) / max(1, len(attacks))
    size = max(500, int(1000 * minutes))
    return Plan(
        (
            Phase(ALONE, max(TELLING, whole * shares[ALONE])),
            *(Phase(name, each, (name,), is_checked=each >= TELLING) for name in attacks),
            Phase(TOGETHER, max(TELLING, whole * shares[TOGETHER]), attacks),
            Phase(FAILOVERS, whole * shares[FAILOVERS], attacks, failovers, is_checked=False),
            Phase(AFTER, max(TELLING, whole * shares[AFTER])),
        ),
        seed,
        members=size,
        events=size,
        attackers_give_way=attackers_give_way,
    )


def all_attacks() -> tuple[str, ...]:
    """Give the name of every kind, in the order in which they come alone."""
    return tuple(KINDS)
