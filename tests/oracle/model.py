"""The append: receipt, identity, and what becomes of a record."""

import uuid
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.oracle.fold import EventId
from tests.oracle.log import Duplicate, Rejected
from tests.oracle.reading import RefusedError, check_time, read_command
from tests.oracle.rows import Tables
from tests.oracle.same import canonical
from tests.oracle.words import AUTO, Command, Event, Outcome, Position, Record

SOURCES = {"kafka", "http", "cli", "import", "dashboard", "retry", "expiry"}


def made_up_event_id(position: Position) -> str:
    """Make up an id, the same for the same position; the service's own is to be given instead."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, repr(position)))


@dataclass(frozen=True)
class Decided:
    """What a record would be, were it appended now."""

    outcome: Outcome
    received_ms: int
    receipt_ms: int  # of an honoured retry: its first receipt; else received_ms
    discriminator: Position  # of an honoured retry: its first position; else its own
    command: Command | None = None


class Model(Tables):
    """The log and its views; see `tests.oracle`.

    accepts: whether a record's `segments-signature` is right (how to sign is the service's).
    origin: the position that a record's `segments-origin` names, if any.
    networks: topic → the networks that it may speak for; of a topic that is not there, all.
    """

    def __init__(
        self,
        segments: dict[tuple[str, int], bool],
        event_id: EventId = made_up_event_id,
        accepts: Callable[[Record], bool] = lambda _: False,
        origin: Callable[[Record], Position | None] = lambda _: None,
        networks: Mapping[str, Container[str]] | None = None,
    ) -> None:
        super().__init__(segments, event_id)
        self.accepts = accepts
        self.origin = origin
        self.networks = networks or {}
        self.received: dict[tuple[str, int], int] = {}  # lane -> its last received_at
        self.by_position: dict[Position, Event] = {}
        self.by_identity: dict[Any, Event] = {}
        self.by_idempotency_key: dict[tuple[str, bytes], Event] = {}

    def append(self, record: Record, recorded_at: datetime) -> Outcome:
        """Append one record; across lanes, the order of calls is the order of appends."""
        decided = self.decide(record)
        self.received[record.topic, record.partition] = decided.received_ms
        if decided.outcome.kind == "rejected":
            self.rejections.append(
                Rejected(
                    record,
                    decided.outcome.reason or "",
                    decided.command,
                    decided.received_ms,
                    recorded_at,
                    decided.receipt_ms,
                    decided.discriminator,
                    decided.outcome.reason == "not_allowed",
                )
            )
            return decided.outcome
        assert decided.command is not None
        if decided.outcome.of is not None:
            event = self.by_position[decided.outcome.of]
            self.duplicates.append(Duplicate(record, event, decided.received_ms, recorded_at))
        else:
            event = self.event_of(record, decided, decided.command, recorded_at)
            self.events.append(event)
            self.by_position[event.position] = event
            self.by_identity[identity(decided.command, decided)] = event
        key = record.header("idempotency-key")
        if key is not None:
            self.by_idempotency_key.setdefault((event.command.network, key), event)
        return decided.outcome

    def decide(self, record: Record) -> Decided:
        """Say what the record would be, and change nothing."""
        lane = (record.topic, record.partition)
        received_ms = max(record.timestamp_ms, self.received.get(lane, record.timestamp_ms))
        receipt_ms, discriminator = self.first_receipt(record) or (received_ms, record.position)
        command = None
        try:
            command = read_command(
                record, receipt_ms, from_expiry=self.source_and_actor(record)[0] == "expiry"
            )
            self.check_network(record, command)
            check_time(command, received_ms)
            decided = Decided(Outcome("event"), received_ms, receipt_ms, discriminator, command)
            outcome = self.repeats(record, command, decided)
            if outcome is None:
                self.check_segment(command)
                outcome = decided.outcome
        except RefusedError as refused:
            outcome = Outcome("rejected", reason=refused.reason)
        return Decided(outcome, received_ms, receipt_ms, discriminator, command)

    def repeats(self, record: Record, command: Command, decided: Decided) -> Outcome | None:
        """Go through the identity's three cases; None: nobody said this before."""
        key = record.header("idempotency-key")
        known = self.by_idempotency_key.get((command.network, key)) if key else None
        if known is not None:
            same = (as_given(known.command), content(known.command)) == (
                as_given(command),
                content(command),
            )
        else:
            known = self.by_identity.get(identity(command, decided))
            same = known is not None and content(known.command) == content(command)
        if known is None:
            return None
        if not same:
            return Outcome("rejected", reason="conflict")
        return Outcome("duplicate", of=known.position)

    def check_network(self, record: Record, command: Command) -> None:
        if command.network not in self.networks.get(record.topic, {command.network}):
            raise RefusedError("not_allowed")

    def check_segment(self, command: Command) -> None:
        archived = self.segments.get((command.network, command.segment))
        if archived is None:
            raise RefusedError("unknown_segment")
        if archived and command.status != "expire":
            raise RefusedError("segment_archived")

    def first_receipt(self, record: Record) -> tuple[int, Position] | None:
        """First receipt of a retry, honoured where that rejected row holds these very bytes."""
        position = self.origin(record)
        for refused in self.rejections if position else []:
            if refused.record.position == position and refused.record.value == record.value:
                return refused.first_receipt_ms, refused.first_position
        return None

    def source_and_actor(self, record: Record) -> tuple[str, str | None]:
        """As signed, else `kafka` and null."""
        source = (record.header("segments-source") or b"").decode("utf-8", "replace")
        actor = record.header("segments-actor")
        if not self.accepts(record) or source not in SOURCES:
            return "kafka", None
        return source, None if actor is None else actor.decode("utf-8", "replace")

    def event_of(
        self, record: Record, decided: Decided, command: Command, recorded_at: datetime
    ) -> Event:
        source, actor = self.source_and_actor(record)
        topic, partition, _, offset = decided.discriminator
        blank = f"auto:{topic}-{partition}-{offset}" if command.time is None else AUTO
        return Event(
            position=record.position,
            command=command,
            time=decided.receipt_ms // 1000 if command.time is None else command.time,
            reference=blank if command.reference is None else command.reference,
            received_ms=decided.received_ms,
            recorded_at=recorded_at,
            source=source,
            actor=actor,
        )


def content(command: Command) -> Any:
    """user_status, expires_at, description, metadata less the lifted fields, by JSON value."""
    return canonical(
        [command.status, command.expires_at, command.description, command.metadata],
    )


def as_given(command: Command) -> Any:
    """Name what counts as content too where an idempotency-key names the command."""
    return (command.segment, command.user, command.reference, command.time)


def identity(command: Command, decided: Decided) -> Any:
    """Network, segment, user, time and reference_id or what stands in; the discriminator last."""
    key = (command.network, command.segment, command.user)
    if command.time is None:
        return (*key, decided.receipt_ms // 1000, command.reference, decided.discriminator)
    if command.reference is None:
        return (*key, command.time, ("digest", content(command)), "")
    return (*key, command.time, command.reference, "")
