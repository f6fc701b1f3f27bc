"""Outcomes and overrides as Kafka records, in the order of their publication.

Of every hundred outcomes, in chronological order, one is published at least a month late and one is published twice,
byte for byte. One conflicts with an earlier one, and a few records are broken. Nothing is random: the same purchases
give the same bytes.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from examples.cdnow.broken import BROKEN
from examples.cdnow.by_hand import BY_HAND, HandMade
from examples.cdnow.data import Purchase
from examples.cdnow.rules import Outcome, outcomes
from examples.cdnow.vocabulary import NETWORK, normalised, user_of

EVERY = 100
LATE, REPEATED = 50, 99
"""Which of every hundred outcomes is late, and which is repeated."""
CONFLICTING = 10_000
"""The outcome, counted from 0, that is repeated with other content."""

_DAY = 86_400


class Record(NamedTuple):
    """What to publish: one Kafka record of topic `<prefix>.commands`."""

    key: bytes | None
    """`network_id:user`, the user normalised, so that a user's commands keep their order."""
    value: bytes | None
    """A command as JSON, unless the record is broken."""


class _Published(NamedTuple):
    """A record and the time when it reached Kafka (Unix seconds, UTC)."""

    at: int
    record: Record


def records(purchases: Iterable[Purchase]) -> list[Record]:
    """List all records in the order of publication."""
    published = [
        *_automation(purchases),
        *(_Published(h.published_at, _override(h)) for h in BY_HAND),
        *(_Published(b.published_at, Record(b.key, b.value)) for b in BROKEN),
    ]
    return [p.record for p in sorted(published, key=lambda p: p.at)]


def _automation(purchases: Iterable[Purchase]) -> Iterator[_Published]:
    """Yield every outcome at its time, but some late, some twice, and one in conflict."""
    for n, outcome in enumerate(outcomes(purchases)):
        record = _statement(n, outcome)
        delay = 30 + n * 37 % 170 if n % EVERY == LATE else 0
        yield _Published(outcome.at + delay * _DAY, record)
        if n % EVERY == REPEATED:
            yield _Published(outcome.at + (1 + n // EVERY % 5) * _DAY, record)
        if n == CONFLICTING:
            other = outcome._replace(metadata=outcome.metadata | {"dollars": 0})
            yield _Published(outcome.at + 7 * _DAY, _statement(n, other))


def _statement(n: int, outcome: Outcome) -> Record:
    """Build the command of the n-th outcome."""
    return _record(
        user=_spelt(n, user_of(outcome.customer)),
        segment_id=outcome.segment_id,
        user_status=outcome.user_status,
        status_change_timestamp=outcome.at,
        reference_id=outcome.reference_id,
        metadata=outcome.metadata,
    )


def _override(hand: HandMade) -> Record:
    """Build the command of a manual override."""
    return _record(
        user=hand.user,
        segment_id=hand.segment_id,
        user_status=hand.user_status,
        status_change_timestamp=hand.at,
        reference_id=hand.reference_id,
        description=hand.description,
    )


def _spelt(n: int, user: str) -> str:
    """Spell an email in different ways, which Segments normalises to one user."""
    if "@" not in user:
        return user
    return (user, user, user.title(), f" {user}", user.upper())[n % 5]


def _record(user: str, **fields: Any) -> Record:
    """Build the record of a command, with the key that keeps a user's commands in order."""
    command = {"network_id": NETWORK, "user": user, **fields}
    return Record(
        f"{NETWORK}:{normalised(user)}".encode(),
        json.dumps(command, separators=(",", ":")).encode(),
    )
