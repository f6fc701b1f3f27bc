"""Decides whether each command of a batch is an event, a duplicate or rejected. Pure; in the lane's order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.command.refusal import Reason
from service.log.origins import read_replay
from service.log.validate import RejectedRecord, ValidCommand, is_expiry, rejected
from service.registry.checks import SEGMENT_ARCHIVED, UNKNOWN_SEGMENT

Place = tuple[int, int, int, str, str]
Key = tuple[str, bytes]


class Known(NamedTuple):
    """An event in the log that has the identity or idempotency key of a command.

    digest: of its content, or for a key of all that the key covers; empty if erased. segment_key, user_status: of the
    event that a key in the log names; they survive an erasure.
    """

    lane_id: int
    offset: int
    digest: bytes
    segment_key: int | None = None
    user_status: int | None = None

    def matches(self, candidate: ValidCommand, digest: bytes) -> bool:
        """Whether a command with the same identity or key is equal; after an erasure as far as can be compared."""
        if self.digest:
            return self.digest == digest
        named = (candidate.segment_key, candidate.command.user_status)
        return (self.segment_key, self.user_status) == named


@dataclass(slots=True)
class Resolution:
    """The result for a batch. keys: new idempotency keys, and the event that each names."""

    events: list[ValidCommand] = field(default_factory=list)
    duplicates: list[tuple[ValidCommand, Known]] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    keys: dict[Key, Known] = field(default_factory=dict)


def resolve(
    candidates: list[ValidCommand],
    lane_id: int,
    known: dict[Place, Known] | None = None,
    known_keys: dict[Key, Known] | None = None,
) -> Resolution:
    """Compare the candidates of one lane, in offset order, with the log.

    known, known_keys: the events in the log with these candidates' log keys and idempotency keys. The contract's order:
    duplicate or conflict (by key, then by identity), unknown_segment, segment_archived.
    """
    places: dict[Place, Known | ValidCommand] = {} if known is None else {**known}
    known_keys = {} if known_keys is None else {**known_keys}
    result = Resolution()
    events = result.events
    for candidate in candidates:
        if candidate.idempotency is not None:
            named = known_keys.get(candidate.idempotency)
            if named is not None:
                _repeat(result, candidate, named, candidate.request, "idempotency key")
                continue
        if candidate.segment_key is None:
            result.rejected.append(rejected(candidate, *UNKNOWN_SEGMENT))
            continue
        place = candidate.place
        earlier = places.get(place)
        if earlier is not None:
            if isinstance(earlier, ValidCommand):
                earlier = Known(lane_id, earlier.record.offset, earlier.content)
            if _repeat(result, candidate, earlier, candidate.content, "identity"):
                _remember(result, candidate, known_keys, earlier.lane_id, earlier.offset)
            continue
        if candidate.archived and not (is_expiry(candidate) or read_replay(candidate.headers)):
            result.rejected.append(rejected(candidate, *SEGMENT_ARCHIVED))
            continue
        places[place] = candidate
        if candidate.idempotency is not None:
            _remember(result, candidate, known_keys, lane_id, candidate.record.offset)
        events.append(candidate)
    return result


def _repeat(
    result: Resolution, candidate: ValidCommand, earlier: Known, digest: bytes, by: str
) -> bool:
    if earlier.matches(candidate, digest):
        result.duplicates.append((candidate, earlier))
        return True
    what = (
        "this idempotency key names another command, which"
        if by == "idempotency key"
        else "the same network, segment, user, time and reference_id, with other content,"
    )
    result.rejected.append(rejected(candidate, Reason.CONFLICT, f"{what} was accepted earlier"))
    return False


def _remember(
    result: Resolution,
    candidate: ValidCommand,
    known_keys: dict[Key, Known],
    lane_id: int,
    offset: int,
) -> None:
    if candidate.idempotency is not None:
        named = Known(lane_id, offset, candidate.request)
        known_keys[candidate.idempotency] = named
        result.keys[candidate.idempotency] = named
