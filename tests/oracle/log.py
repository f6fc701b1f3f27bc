"""The log as the model holds it, and the views that tell of single records."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tests.oracle.fold import EventId, Step, earliest_later, fold, outcome
from tests.oracle.words import UNSPECIFIED, Command, Event, Position, Record, Row, at_millisecond
from tests.oracle.words import at_second as at

Key = tuple[str, int, str]


@dataclass(frozen=True)
class Duplicate:
    record: Record
    of: Event
    received_ms: int
    recorded_at: datetime


@dataclass(frozen=True)
class Rejected:
    record: Record
    reason: str
    command: Command | None  # None: could not be read
    received_ms: int
    recorded_at: datetime
    first_receipt_ms: int  # of a retry: of the record first refused
    first_position: Position
    nobodys: bool  # its topic may not speak for that network


class Log:
    """Events, duplicates and rejected records in the order of their append."""

    def __init__(self, segments: dict[tuple[str, int], bool], event_id: EventId) -> None:
        self.segments = dict(segments)  # (network, segment) -> archived; change it between appends
        self.event_id = event_id
        self.events: list[Event] = []
        self.duplicates: list[Duplicate] = []
        self.rejections: list[Rejected] = []

    def keys(self, only: Callable[[Event], bool] = lambda _: True) -> dict[Key, list[Step]]:
        """Fold each key that has an event, over the events asked for."""
        events = defaultdict(list)
        for event in self.events:
            if only(event):
                events[event.key].append(event)
        return {key: fold(events[key], self.event_id) for key in sorted(events)}

    def result(self) -> list[Row]:
        rows = []
        by_position = {}
        for steps in self.keys().values():
            for step, later in zip(steps, earliest_later(steps), strict=True):
                row = self.event_result(step, outcome(step, later, self.event_id))
                by_position[step.event.position] = row
                rows.append(row)
        rows.extend(
            by_position[repeat.of.position]
            | {"outcome": "duplicate", "changed_membership": False, "changed_override": False}
            | placed(repeat.record.position, repeat.received_ms)
            for repeat in self.duplicates
        )
        rows.extend(map(rejected_result, self.rejections))
        return rows

    def event_result(self, step: Step, outcome: str) -> Row:
        event = step.event
        return (
            named(event.key)
            | {
                "reference_id": event.reference,
                "user_status": event.command.status,
                "outcome": outcome,
                "reason": None,
                "changed_membership": step.changed_membership,
                "changed_override": step.changed_override,
                "status_change_timestamp": event.when,
                "event_id": self.event_id(event.position),
            }
            | placed(event.position, event.received_ms)
        )

    def event(self) -> list[Row]:
        return [
            named(event.key)
            | placed(event.position, event.received_ms)
            | descriptive_fields(event)
            | {
                "event_id": self.event_id(event.position),
                "user_sent": event.command.user_sent,
                "user_status": event.command.status,
                "status_change_timestamp": event.when,
                "time_given": event.command.time is not None,
                "expires_at": maybe(event.command.expires_at),
                "recorded_at": event.recorded_at,
                "source": event.source,
                "actor": event.actor,
            }
            for event in self.events
        ]

    def duplicate(self) -> list[Row]:
        return [
            placed(repeat.record.position, repeat.received_ms)
            | {
                "recorded_at": repeat.recorded_at,
                "duplicate_of_event_id": self.event_id(repeat.of.position),
            }
            for repeat in self.duplicates
        ]

    def rejected(self) -> list[Row]:
        """View rejected, less detail, payload_text and retried_at."""
        return [
            placed(refused.record.position, refused.received_ms)
            | {
                "recorded_at": refused.recorded_at,
                "reason": refused.reason,
                "payload": refused.record.value,
                "network_id": rejected_result(refused)["network_id"],
                "reference_id": rejected_result(refused)["reference_id"],
            }
            for refused in self.rejections
        ]


def rejected_result(refused: Rejected) -> Row:
    command = refused.command
    unread = None if refused.reason in {"tombstone", "not_json"} else UNSPECIFIED
    whose = None if refused.nobodys else command
    nobody = None if refused.nobodys else unread
    return {
        "network_id": whose.network if whose else nobody,
        "segment_id": command.segment if command else unread,
        "user_id": whose.user if whose else nobody,
        "reference_id": (command.reference or UNSPECIFIED) if command else unread,
        "user_status": command.status if command else unread,
        "outcome": "rejected",
        "reason": refused.reason,
        "changed_membership": None,
        "changed_override": None,
        "status_change_timestamp": (
            (UNSPECIFIED if command.time is None else at_any(command.time)) if command else unread
        ),
        "event_id": None,
    } | placed(refused.record.position, refused.received_ms)


def at_any(seconds: int) -> object:
    """Leave open how a time is shown that a datetime may not hold."""
    return at(seconds) if 0 <= seconds < 4_102_444_800 else UNSPECIFIED


def named(key: Key) -> Row:
    return dict(zip(("network_id", "segment_id", "user_id"), key, strict=True))


def descriptive_fields(event: Event) -> Row:
    return {
        "reference_id": event.reference,
        "description": event.command.description,
        "metadata": event.command.metadata,
    }


def placed(position: Position, received_ms: int) -> Row:
    topic, partition, epoch, offset = position
    return {
        "kafka_topic": topic,
        "kafka_partition": partition,
        "kafka_epoch": epoch,
        "kafka_offset": offset,
        "received_at": at_millisecond(received_ms),
    }


def maybe(seconds: int | None) -> datetime | None:
    return None if seconds is None else at(seconds)
