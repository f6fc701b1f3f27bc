"""What an attack is given: whom to attack, chance, and a tally of what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from service.runtime.environment import read_settings

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Mapping

    from service.runtime.settings import Settings

BAD, GOOD = "bad", "good"
"""The hostile network, and the well-behaved one."""
BREACH = "BREACH:"
"""How a tally begins that says by itself that something is broken."""
LARGE, HOT = 1, 2
"""Segments of the hostile network: one with many members, one with a key of many events."""


@dataclass(frozen=True)
class Target:
    """The installation as a tenant of network `bad` knows it; the environment names Postgres and Kafka.

    port: of the API. key: an API key of `bad`, of all scopes. login: the URL of an analyst of `bad`. bounded: a topic
    that may speak for `bad` alone. gives_way: whether it takes only processor time that nobody else wants.
    """

    port: int
    key: str
    login: str
    bounded: str
    seed: int
    seconds: float
    gives_way: bool

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass
class Siege:
    """An attack under way. tally: what came of it, by name."""

    target: Target
    rng: random.Random
    tally: Counter[str] = field(default_factory=Counter)

    @cached_property
    def settings(self) -> Settings:
        """Where Kafka is, and what its topics are called."""
        return read_settings()


@dataclass(frozen=True)
class Attack:
    """A kind of attack. counts: tallies that say that it attacked; one that only came to others is a defect."""

    run: Callable[[Siege], Awaitable[None]]
    counts: frozenset[str]

    @property
    def name(self) -> str:
        return self.run.__name__

    def attacked(self, tally: Mapping[str, int]) -> bool:
        """Whether what came of it says that it reached what it attacks."""
        return any(tally.get(what, 0) for what in self.counts)


def attacks(*counts: str | int) -> Callable[[Callable[[Siege], Awaitable[None]]], Attack]:
    """Make a coroutine an attack. counts: as Attack has it; a number stands for an answer with that status."""
    names = frozenset(f"answered {one}" if isinstance(one, int) else one for one in counts)
    return lambda run: Attack(run, names)
