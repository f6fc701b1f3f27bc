"""Section 6: the views of projections, folded from scratch each time, the dumbest correct way."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime

from tests.oracle.fold import Step
from tests.oracle.log import Log, descriptive_fields, maybe, named
from tests.oracle.words import Event, Row


class Tables(Log):
    """The log and all views of it."""

    def user_segment(self) -> list[Row]:
        rows = []
        for key, steps in self.keys().items():
            state = steps[-1].after
            rows.append(
                named(key)
                | {
                    "is_member": state.is_member,
                    "override": state.override,
                    "automation_says": state.automation_says,
                    "member_since": state.began and state.began.when,
                    "override_since": state.override_began and state.override_began.when,
                    "last_change_at": state.changed and state.changed.when,
                    "last_recorded_at": last_recorded_at(steps),
                }
            )
        return rows

    def membership(self) -> list[Row]:
        rows = []
        for key, steps in self.keys().items():
            state = steps[-1].after
            if state.began is not None:
                rows.append(
                    named(key)
                    | {
                        "since": state.began.when,
                        "cause": state.began.command.status,
                        "override": state.override,
                        "last_recorded_at": last_recorded_at(steps),
                    }
                    | descriptive_fields(state.began)
                    | self.origin_fields(state.began)
                )
        return rows

    def override(self) -> list[Row]:
        rows = []
        for key, steps in self.keys().items():
            state = steps[-1].after
            if state.stated is not None and state.override_began is not None:
                rows.append(
                    named(key)
                    | {
                        "override": state.override,
                        "is_member": state.is_member,
                        "since": state.override_began.when,
                        "expires_at": maybe(state.expires_at),
                        "last_recorded_at": last_recorded_at(steps),
                    }
                    | descriptive_fields(state.stated)
                    | self.origin_fields(state.stated)
                )
        return rows

    def origin_fields(self, event: Event) -> Row:
        return {
            "event_id": self.event_id(event.position),
            "source": event.source,
            "actor": event.actor,
        }

    def membership_history(self) -> list[Row]:
        rows = []
        for key, steps in self.keys().items():
            changes = [step for step in steps if step.changed_membership or step.changed_override]
            ends = [step.event.when for step in changes[1:]] + [None]
            for step, end in zip(changes, ends, strict=False):
                rows.append(
                    named(key)
                    | {
                        "event_id": self.event_id(step.event.position),
                        "position": step.event.position,
                        "valid_from": step.event.when,
                        "valid_to": end,
                        "is_current": end is None,
                        "is_member": step.after.is_member,
                        "override": step.after.override,
                        "cause": step.event.command.status,
                        "reference_id": step.event.reference,
                        "last_recorded_at": last_recorded_at(steps),
                        "duration": end and end - step.event.when,
                    }
                )
        return rows

    def automation_disagreement(self) -> list[Row]:
        rows = []
        for key, steps in self.keys().items():
            state = steps[-1].after
            says = state.automation_says
            if state.override is None and says and (says == "enter") != state.is_member:
                rows.append(
                    named(key) | {"is_member": state.is_member, "automation_says": says},
                )
        return rows

    def membership_as_of(
        self, at: datetime | None = None, known_at: datetime | None = None
    ) -> list[Row]:
        """Each key's state after all its events in bounds; None is infinity."""

        def in_bounds(event: Event) -> bool:
            return (at is None or event.when <= at) and (
                known_at is None or event.recorded_at <= known_at
            )

        return [
            named(key)
            | {"is_member": steps[-1].after.is_member, "override": steps[-1].after.override}
            for key, steps in self.keys(in_bounds).items()
        ]

    def segment_size(self) -> list[Row]:
        states = [(key, steps[-1].after) for key, steps in self.keys().items()]
        rows = []
        for segment in sorted(self.segments):
            inside = [state for key, state in states if key[:2] == segment]
            rows.append(
                {
                    "network_id": segment[0],
                    "segment_id": segment[1],
                    "members": sum(state.is_member for state in inside),
                    "added": sum(state.override == "add" for state in inside),
                    "blocked": sum(state.override == "block" for state in inside),
                }
            )
        return rows

    def segment_size_daily(self) -> list[Row]:
        joined: Counter[tuple[str, int, date]] = Counter()
        left: Counter[tuple[str, int, date]] = Counter()
        for steps in self.keys().values():
            for step in steps:
                if step.changed_membership:
                    (joined if step.after.is_member else left)[day_of(step.event)] += 1
        recorded = defaultdict(list)
        for event in self.events:
            recorded[day_of(event)].append(event.recorded_at)
        members: Counter[tuple[str, int]] = Counter()
        rows = []
        for day in sorted(joined.keys() | left.keys()):
            members[day[:2]] += joined[day] - left[day]
            rows.append(
                {
                    "network_id": day[0],
                    "segment_id": day[1],
                    "day": day[2],
                    "members": members[day[:2]],
                    "members_joined": joined[day],
                    "members_left": left[day],
                    "restated_at": max(recorded[day]),
                }
            )
        return rows


def last_recorded_at(steps: Iterable[Step]) -> datetime:
    return max(step.event.recorded_at for step in steps)


def day_of(event: Event) -> tuple[str, int, date]:
    return (event.command.network, event.command.segment, event.when.date())
