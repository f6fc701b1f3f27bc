"""What the append would make of commands received now: an event, a duplicate or a rejection. It only reads.

It calls the append's own functions (`identify`, `resolve`), with a fictitious lane, and fictitious people for those who
are not in Postgres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.command.refusal import Refusal
from schemas.headers import NO_HEADERS, Headers
from schemas.position import Lane
from service.log.batch import Batch
from service.log.deduplicate import resolve
from service.log.erased_names import refuse_erased
from service.log.identify import identify
from service.log.insert import ALL, known_keys, known_places
from service.log.people import by_name, find_existing
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

# The fictitious lane: no topic has an empty name, and no lane of the log has id 0.
LANE = Lane("", 0)
LANE_ID = 0


class DryCommand(NamedTuple):
    """A command from `read_command`, and its idempotency key, if any, of 1 to 255 printable ASCII characters."""

    command: Command
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """The result for one command: an event, a rejected record, or else a duplicate.

    candidate: with its log key; the offset of its record numbers the commands of a dry run from 1.
    """

    candidate: ValidCommand
    is_event: bool
    rejected: RejectedRecord | None


@dataclass(slots=True)
class _DryRecord:
    """A record that does not exist in Kafka."""

    offset: int
    timestamp: int
    timestamp_type: int = 1
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    span: int = 1
    refusal: Refusal | None = None


async def settle(
    connection: asyncpg.Connection[Any],
    commands: Sequence[DryCommand],
    now_ms: int,
    earlier: Overlay,
    topic: str | None = None,
) -> list[Settled]:
    """Return the results of commands if they were received in this order, now and after `earlier`.

    now_ms: Unix milliseconds. earlier: accepted commands are added to it. topic: `<prefix>.commands`, whose rules
    apply; None: without rules. It does not support `expire`, which only the service publishes, and does not predict
    `unstorable`, which only Postgres decides.
    """
    candidates = [_candidate(one, earlier.count + n, now_ms) for n, one in enumerate(commands, 1)]
    earlier.count += len(candidates)
    await _identify(connection, candidates, now_ms, earlier)
    rules = {} if topic is None else await load_rules(connection)
    allowed = None if topic is None else allowed_on(topic, rules, topic)
    refused = [refusal for c in candidates if (refusal := _refusal(c, allowed)) is not None]
    late = {one.record.offset for one in refused}
    refused += await refuse_erased(
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


def _candidate(dry: DryCommand, number: int, now_ms: int) -> ValidCommand:
    command, key = dry
    time = command.status_change_timestamp
    return ValidCommand(
        _DryRecord(number, now_ms),
        command,
        NO_HEADERS if key is None else Headers(idempotency_key=key),
        now_ms,
        now_ms // 1000 if time is None else time,
    )


def _refusal(candidate: ValidCommand, allowed: Allowed | None) -> RejectedRecord | None:
    """Check a command as received, and return its rejection, or None."""
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
    """Set the identity of each command."""
    identifiers = {(c.command.network_id, c.command.user) for c in candidates}
    existing = await find_existing(connection, identifiers)
    people = by_name({one: existing.get(one) or earlier.person(one) for one in identifiers})
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
