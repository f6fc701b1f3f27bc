"""What the append would make of commands received now, by its own rules: asked of the log, nothing written.

Identity is settled where the append settles it (`identify`, `resolve`); only what they are given differs: an
imagined lane, and imagined people for those whom the log does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.command.refusal import Refusal
from schemas.headers import NO_HEADERS, Headers
from schemas.position import Lane
from service.log.batch import Batch
from service.log.deduplicate import resolve
from service.log.identify import identify
from service.log.insert import ALL, known_keys, known_places
from service.log.people import find_existing
from service.log.taken import refuse_taken
from service.log.validate import ValidCommand, rejected
from service.registry import segments as registry
from service.registry.checks import check_received
from service.registry.command_topics import load_rules
from service.registry.topic_rules import Allowed, allowed_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from projections.dry_run.overlay import Overlay
    from schemas.command import Command
    from service.log.deduplicate import Resolution
    from service.log.validate import RejectedRecord

# No topic is called "" and no lane of the log is number 0: what lies here is never taken for what is in the log.
LANE = Lane("", 0)
LANE_ID = 0


class Asked(NamedTuple):
    """A command as `read_command` gives it, and its idempotency key, 1 to 255 printable ASCII characters, if any."""

    command: Command
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What one command would come to: an event, a rejected record, or else a duplicate.

    candidate: with its place; its record's offset counts the commands of a dry run from 1.
    """

    candidate: ValidCommand
    is_event: bool
    rejected: RejectedRecord | None


@dataclass(slots=True)
class _Imagined:
    """A record that nobody sent."""

    offset: int
    timestamp: int
    timestamp_type: int = 1
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    span: int = 1
    refusal: Refusal | None = None


async def foresee(
    connection: asyncpg.Connection[Any],
    asked: Sequence[Asked],
    now_ms: int,
    earlier: Overlay,
    topic: str | None = None,
) -> list[Settled]:
    """Tell what commands would come to, were they received in this order, now and after `earlier`.

    now_ms: Unix milliseconds. earlier: takes in what is accepted. topic: `<prefix>.commands`, which must be allowed to
    say them; None: it is. Not for `expire`, which the service alone says.
    What only Postgres would refuse (`unstorable`) is not foreseen.
    """
    candidates = [_candidate(one, earlier.count + n, now_ms) for n, one in enumerate(asked, 1)]
    earlier.count += len(candidates)
    await _identify(connection, candidates, now_ms, earlier)
    rules = {} if topic is None else await load_rules(connection)
    allowed = None if topic is None else allowed_on(topic, rules, topic)
    refused = [refusal for c in candidates if (refusal := _refusal(c, allowed)) is not None]
    late = {one.record.offset for one in refused}
    refused += await refuse_taken(
        connection, [c for c in candidates if c.record.offset not in late]
    )
    out = {one.record.offset for one in refused}
    resolution = await _resolve(
        connection, [c for c in candidates if c.record.offset not in out], earlier
    )
    earlier.remember(resolution)
    events = {c.record.offset for c in resolution.events}
    rejections = {one.record.offset: one for one in (*refused, *resolution.rejected)}
    return [
        Settled(c, c.record.offset in events, rejections.get(c.record.offset)) for c in candidates
    ]


def _candidate(asked: Asked, number: int, now_ms: int) -> ValidCommand:
    command, key = asked
    time = command.status_change_timestamp
    return ValidCommand(
        _Imagined(number, now_ms),
        command,
        NO_HEADERS if key is None else Headers(idempotency_key=key),
        now_ms,
        now_ms // 1000 if time is None else time,
    )


def _refusal(candidate: ValidCommand, allowed: Allowed | None) -> RejectedRecord | None:
    """Check what the parser leaves to the receipt."""
    try:
        check_received(candidate.command, candidate.received_ms, allowed, candidate.headers)
    except Refusal as refusal:
        return rejected(candidate, refusal.reason, refusal.detail)
    return None


async def _identify(
    connection: asyncpg.Connection[Any],
    candidates: list[ValidCommand],
    now_ms: int,
    earlier: Overlay,
) -> None:
    """Fill in what tells each command from others."""
    wanted = {(c.command.network_id, c.command.user) for c in candidates}
    found = await find_existing(connection, wanted)
    people = {f"{who[0]}:{who[1]}": found.get(who) or earlier.person(who) for who in wanted}
    segments = {(c.command.network_id, c.command.segment_id) for c in candidates}
    known = await registry.find(connection, segments)
    identify(Batch(LANE, LANE_ID, 0, 0, (), [], now_ms), candidates, known, people)


async def _resolve(
    connection: asyncpg.Connection[Any], candidates: list[ValidCommand], earlier: Overlay
) -> Resolution:
    places, _ = await known_places(connection, candidates, ALL)
    keys = await known_keys(connection, candidates)
    return resolve(
        candidates,
        LANE_ID,
        earlier.places(candidates) | places,
        earlier.keys(candidates) | keys,
    )
