"""What is read from stored states, intervals and outcomes instead of a fold is what the oracle folds."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from projections.fold import long_keys
from service.postgres.database import statements
from tests.oracle.fold import earliest_later, outcome
from tests.projections.logged import LANES, LoggedEvent, moment, put
from tests.projections.test_history import drawn_histories, fold_by_pieces, steps_of
from tests.projections.test_snapshot import PEOPLE
from tests.support.database import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    import asyncpg

    from service.runtime.settings import Settings
    from tests.oracle.fold import State
    from tests.oracle.words import Event

pytestmark = pytest.mark.stack
_SQL = statements("projections.queries.sql")
Row = tuple[Any, ...]


class Histories:
    """Histories in the log, of which the lanes are projected up to some offsets."""

    def __init__(self, connection: asyncpg.Connection[Any], ends: list[int]) -> None:
        self.connection = connection
        self._ends = ends
        self.histories = drawn_histories(120)

    def __iter__(self) -> Iterator[tuple[int, int, list[LoggedEvent]]]:
        """Give segment_key, person_id and events of each key."""
        for key, history in enumerate(self.histories):
            yield 1 + key % 3, 1 + key // 3, history

    def projected(self, history: Sequence[LoggedEvent], at: int = 9) -> list[LoggedEvent]:
        """Give the events below the checkpoints that had happened by then."""
        return [one for one in history if one.offset < self._ends[one.lane] and one.at <= at]


@pytest.fixture(params=[(1, 1.0), (3, 1.0), (500, 1.0), (2, 0.6), (500, 0.6)], ids=str)
async def filled(
    request: pytest.FixtureRequest, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Histories]:
    """Keys that are long ones, some, or none; and all of the log projected, or a part of it."""
    every, share = request.param
    monkeypatch.setattr(long_keys, "EVERY", every)
    async with connected(database) as connection:
        ends = [0] * len(LANES)
        filled = Histories(connection, ends)
        await put(connection, filled.histories)
        await connection.execute(PEOPLE, len(filled.histories))
        lanes = await connection.fetch(
            "SELECT lane_id, topic, partition, epoch, next_offset FROM segments.lane"
        )
        by_id = {}
        for lane_id, *named, end in lanes:
            by_id[lane_id] = ends[LANES.index(tuple(named))] = round(share * end)
        await fold_by_pieces(connection, random.Random(every), by_id)  # noqa: S311 - the same each time
        await connection.execute("SET ROLE segments_api")
        yield filled


async def test_an_explanation_says_what_each_event_did_whatever_page_it_is_on(
    filled: Histories,
) -> None:
    for segment_key, person_id, history in filled:
        steps = steps_of(filled.projected(history))
        effects = {
            step.event.position: (
                outcome(step, later, str), step.changed_membership, step.changed_override,
                step.after.is_member, step.after.override,
            )
            for step, later in zip(steps, earliest_later(steps), strict=True)
        }  # fmt: skip
        queued = ("queued", None, None, None, None)
        wanted = [
            (*step.event.position, *effects.get(step.event.position, queued))
            for step in steps_of(history)
        ]
        for limit in (1, 3, 100):
            found: list[Row] = []
            place: tuple[int | None, int | None] = (None, None)
            while page := await filled.connection.fetch(
                _SQL["explained"], segment_key, person_id, limit, *place, long_keys.EVERY
            ):
                found += [
                    (row["kafka_topic"], row["kafka_partition"], row["kafka_epoch"], row["kafka_offset"],
                     row["outcome"], row["changed_membership"], row["changed_override"],
                     row["is_member_after"], row["override_after"])
                    for row in page
                ]  # fmt: skip
                place = (page[-1]["lane_id"], page[-1]["kafka_offset"])
            assert found == wanted[::-1]


def reference(event: Event | None) -> str | None:
    """Give the reference_id that `put` gave to an event."""
    if event is None:
        return None
    return f"{LANES.index(event.position[:3])}-{event.position[3]}"


def newest_recorded(events: Sequence[LoggedEvent]) -> Any:
    return moment(max(event.recorded for event in events))


async def test_members_as_of_a_time_are_those_of_the_fold_up_to_then_and_so_is_their_cause(
    filled: Histories,
) -> None:
    for at in range(-1, 5):
        wanted: dict[int, dict[int, Row]] = {1: {}, 2: {}, 3: {}}
        for segment_key, person_id, history in filled:
            events = filled.projected(history, at)
            if not events:
                continue
            state = steps_of(events)[-1].after
            if state.began is not None:
                wanted[segment_key][person_id] = (
                    moment(state.began.time), state.began.command.status, state.override, reference(state.began),
                    newest_recorded(events),
                )  # fmt: skip
        for segment_key, members in wanted.items():
            found = await filled.connection.fetch(
                _SQL["members_as_of"], segment_key, 0, 1000, moment(at)
            )
            assert {
                row["person_id"]: (
                    row["since"], row["cause"], row["override"], row["reference_id"], row["last_recorded_at"]
                )
                for row in found if row["is_member"]
            } == members  # fmt: skip


def when(event: Event | None) -> Any:
    return None if event is None else moment(event.time)


def state_row(state: State, events: Sequence[LoggedEvent]) -> Row:
    began = state.began or (state.stated if state.override == "block" else None)
    return (
        state.is_member, state.override, state.automation_says, when(state.began),
        when(state.override_began), moment(state.expires_at), when(state.changed), newest_recorded(events),
        reference(began), reference(state.stated),
    )  # fmt: skip


async def test_a_user_s_segments_as_of_a_time_are_those_of_the_fold_up_to_then(
    filled: Histories,
) -> None:
    columns = (
        "is_member", "override", "automation_says", "member_since", "override_since", "expires_at", "last_change_at",
        "last_recorded_at", "reference_id", "override_reference_id",
    )  # fmt: skip
    for at in range(-1, 5):
        for segment_key, person_id, history in filled:
            events = filled.projected(history, at)
            wanted = [state_row(steps_of(events)[-1].after, events)] if events else []
            if segment_key == 3:  # of another network than these people
                continue
            found = await filled.connection.fetch(
                _SQL["user_segments"], "n0", f"u{person_id}", segment_key, moment(at), None, None, None, None, 0
            )  # fmt: skip
            assert [tuple(row[name] for name in columns) for row in found] == wanted
