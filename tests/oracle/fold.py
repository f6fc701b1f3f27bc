"""Section 3: the fold of one key, event by event."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from tests.oracle.words import Event, Position

EventId = Callable[[Position], str]
Arrival = tuple[int, str, int, int, int]
AUTOMATION = {"enter", "leave"}


@dataclass(frozen=True)
class State:
    """How a key stands; where each part of it comes from is the event itself."""

    is_member: bool = False
    override: str | None = None
    automation_says: str | None = None
    began: Event | None = None  # began the present membership
    override_began: Event | None = None  # began the present override value
    stated: Event | None = None  # stated the present override last
    changed: Event | None = None  # the last to change membership, override or its expires_at

    @property
    def expires_at(self) -> int | None:
        return None if self.stated is None else self.stated.command.expires_at


@dataclass(frozen=True)
class Step:
    """One event at its place in the fold."""

    event: Event
    before: State
    after: State

    @property
    def changed_membership(self) -> bool:
        return self.before.is_member != self.after.is_member

    @property
    def changed_override(self) -> bool:
        return self.before.override != self.after.override

    @property
    def changed_expiry(self) -> bool:
        return self.before.expires_at != self.after.expires_at


def fold(events: Iterable[Event], event_id: EventId) -> list[Step]:
    """Fold the events of one key, given in any order."""
    steps = []
    state = State()
    for event in sorted(events, key=lambda event: event.order):
        step = Step(event, state, advance(state, event, event_id))
        steps.append(step)
        state = step.after
    return steps


def advance(before: State, event: Event, event_id: EventId) -> State:
    """Apply the table of section 3, then note which event each part comes from."""
    after = decide(before, event, event_id)
    if after.is_member != before.is_member:
        after = replace(after, began=event if after.is_member else None)
    if after.override != before.override:
        after = replace(after, override_began=event if after.override else None)
    step = Step(event, before, after)
    if step.changed_membership or step.changed_override or step.changed_expiry:
        after = replace(after, changed=event)
    return after


def decide(state: State, event: Event, event_id: EventId) -> State:
    match event.command.status:
        case "add":
            return replace(state, is_member=True, override="add", stated=event)
        case "block":
            return replace(state, is_member=False, override="block", stated=event)
        case "reset":
            return replace(state, override=None, stated=None)
        case "enter" | "leave" as status:
            member = status == "enter" if state.override is None else state.is_member
            return replace(state, is_member=member, automation_says=status)
        case "expire":
            if names_statement(state, event, event_id):
                return replace(state, override=None, stated=None)
            return state
        case other:
            raise AssertionError(other)


def names_statement(state: State, expire: Event, event_id: EventId) -> bool:
    """Whether the override still stands as the event that the expire names last stated it."""
    if state.stated is None:
        return False
    return expire.reference == f"expire:{event_id(state.stated.position)}"


def earliest_later(steps: Sequence[Step]) -> list[Arrival | None]:
    """Find for each step the earliest arrival of an add or block that comes later in the fold's order."""
    found: list[Arrival | None] = []
    earliest: Arrival | None = None
    for step in reversed(steps):
        found.append(earliest)
        if step.event.command.status in {"add", "block"}:
            arrival = step.event.arrival
            earliest = arrival if earliest is None else min(earliest, arrival)
    return found[::-1]


def outcome(step: Step, later: Arrival | None, event_id: EventId) -> str:
    """Find the first that fits, of those that an event can have. later: as `earliest_later` finds it."""
    event, status = step.event, step.event.command.status
    superseded = status != "expire" and later is not None and later < event.arrival
    if superseded:
        return "superseded"
    if status in AUTOMATION and step.before.override is not None:
        return "ineffective"
    if status == "expire" and not names_statement(step.before, event, event_id):
        return "ineffective"
    if step.changed_membership or step.changed_override or step.changed_expiry:
        return "applied"
    return "no_change"
