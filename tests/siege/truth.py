"""The views against the oracle, fed with what Kafka holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from schemas.topics import Topics
from tests.oracle import Model, Outcome
from tests.siege.hostile.target import BAD
from tests.support.database import rows
from tests.support.kafka import read_topic
from tests.support.referee import differences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.oracle import Record
    from tests.oracle.model import Decided
    from tests.siege.site import Site

LIMIT = 64 * 1024
"""Bytes of a record; what is longer need not be remembered to know what becomes of it."""
_BEFORE = {"too_large", "tombstone", "not_json", "invalid_field"}
"""The reasons that come before `not_allowed`."""


@dataclass(frozen=True)
class Held:
    """A record as Kafka holds it, its value cut."""

    value: bytes | None
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Bounded(Model):
    """The oracle with a topic that may speak for the hostile network alone. bounded: its name.

    unread: the reason of what is refused before it is read, by its first position: batches that hold too much.
    """

    bounded = ""
    unread: Mapping[tuple[str, int, int, int], str] = MappingProxyType({})

    def decide(self, record: Record) -> Decided:
        """Say what the record would be: not_allowed comes after what can't be read, and before all else."""
        decided = super().decide(record)
        if record.position in self.unread:
            reason = self.unread[record.position]
            return replace(decided, outcome=Outcome("rejected", reason=reason), command=None)
        command = decided.command
        speaks = record.topic == self.bounded and command is not None and command.network != BAD
        if not speaks or decided.outcome.reason in _BEFORE:
            return decided
        return replace(decided, outcome=Outcome("rejected", reason="not_allowed"))


async def untrue(site: Site) -> list[str]:
    """Compare every view with the oracle; gives what differs."""
    settings = site.settings
    held: list[tuple[Held, tuple[str, int, int, int | None]]] = []
    unread: dict[tuple[str, int, int, int], str] = {}
    for topic in (Topics(settings.topic_prefix).commands, site.bounded):
        for one in await read_topic(settings, topic):
            value = one.value and one.value[: LIMIT + 1]
            place = (one.topic, one.partition, one.offset, one.timestamp)
            held.append((Held(value, one.key, tuple(one.headers)), place))
            if (refusal := getattr(one, "refusal", None)) is not None:
                unread[one.topic, one.partition, 0, one.offset] = refusal.reason.value
    segments = {
        (row["network_id"], row["segment_id"]): row["archived_at"] is not None
        for row in await rows(
            settings, "SELECT network_id, segment_id, archived_at FROM reporting.segment"
        )
    }
    signed = _first_signed(held)

    def accepts(record: Any) -> bool:
        return record.position in signed

    model = type("Model", (Bounded,), {"bounded": site.bounded, "unread": unread})
    return await differences(settings, segments, held, model=model, accepts=accepts)


def _first_signed(
    held: list[tuple[Held, tuple[str, int, int, int | None]]],
) -> set[tuple[str, int, int, int]]:
    """Give the positions of signed records: of each signature the first in time, for the others are copies."""
    found: dict[bytes, tuple[int, tuple[str, int, int, int]]] = {}
    for one, (topic, partition, offset, timestamp) in held:
        signature = dict(one.headers).get("segments-signature")
        if signature:
            place = (timestamp or 0, (topic, partition, 0, offset))
            found[signature] = min(found.get(signature, place), place)
    return {position for _, position in found.values()}
