"""What must hold of any history, asked of the oracle itself, and of what makes histories."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.histories import Sent, compare, delivered, history, registry, small_histories
from tests.oracle import AUTO, UNSPECIFIED, Model, Outcome, Record, Reported, Row, follow
from tests.oracle.words import at_millisecond

NOW = 1_760_000_000
KEY = ("network_id", "segment_id", "user_id")
POSITION = ("kafka_topic", "kafka_partition", "kafka_epoch", "kafka_offset")


def event_id(position: tuple[str, int, int, int]) -> str:
    return repr(position)


def empty_model(segments: dict[tuple[str, int], bool] | None = None) -> Model:
    segments = segments or registry(1, 2)
    return Model(segments, event_id, lambda record: record.header("segments-signature") == b"any")


def records_of(sent: Iterable[Sent]) -> list[Record]:
    return delivered(sent, NOW * 1000, event_id=event_id)


def model_of(records: Iterable[Record]) -> Model:
    model = empty_model()
    for record in records:
        model.append(record, at_millisecond(record.timestamp_ms))
    return model


def less(rows: Iterable[Row], *columns: str) -> list[Row]:
    return [{name: row[name] for name in row if name not in columns} for row in rows]


@given(st.data())
def test_no_order_of_arrival_shows_where_times_are_distinct(data: st.DataObject) -> None:
    sent = data.draw(small_histories(NOW, distinct=True))
    shuffled = data.draw(st.permutations(sent))
    one, other = model_of(records_of(sent)), model_of(records_of(shuffled))
    assert len(one.events) == len(sent)
    for view, arrival in {
        "user_segment": ["last_recorded_at"],
        "automation_disagreement": [],
        "segment_size": [],
        "segment_size_daily": ["restated_at"],
        "membership_as_of": [],
        # a reference may be auto:..., an id is the position
        "membership": ["last_recorded_at", "event_id"],
        "override": ["last_recorded_at", "event_id"],
        "membership_history": ["last_recorded_at", "event_id", "position", "reference_id"],
    }.items():
        assert less(getattr(one, view)(), *arrival) == less(getattr(other, view)(), *arrival)


@given(small_histories(NOW))
def test_what_was_known_at_a_moment_is_what_a_log_cut_there_says(sent: list[Sent]) -> None:
    records = records_of(sent)
    whole = model_of(records)
    for place, record in enumerate(records):
        known = whole.membership_as_of(known_at=at_millisecond(record.timestamp_ms))
        assert known == state_of(model_of(records[: place + 1]))


@given(small_histories(NOW))
def test_as_of_a_time_is_what_the_history_says_of_it(sent: list[Sent]) -> None:
    model = model_of(records_of(sent))
    for time in {event.when for event in model.events}:
        standing = {
            tuple(row[column] for column in KEY): (row["is_member"], row["override"])
            for row in model.membership_history()
            if row["valid_from"] <= time and (row["valid_to"] is None or time < row["valid_to"])
        }
        for row in model.membership_as_of(at=time):
            key = tuple(row[column] for column in KEY)
            assert (row["is_member"], row["override"]) == standing.get(key, (False, None))


@given(small_histories(NOW))
def test_the_views_agree_with_each_other(sent: list[Sent]) -> None:
    model = model_of(records_of(sent))
    users = model.user_segment()
    assert model.membership_as_of() == state_of(model)
    of_the_event = (
        "cause",
        "reference_id",
        "description",
        "metadata",
        "event_id",
        "source",
        "actor",
    )
    assert less(model.membership(), *of_the_event) == [
        {name: row[name] for name in (*KEY, "override", "last_recorded_at")}
        | {"since": row["member_since"]}
        for row in users
        if row["is_member"]
    ]
    assert [row["override"] for row in model.override()] == [
        row["override"] for row in users if row["override"]
    ]
    size = next(row for row in model.segment_size() if row["segment_id"] == 1)
    daily = model.segment_size_daily()
    assert size["members"] == (daily[-1]["members"] if daily else 0)
    assert size["members"] == sum(row["members_joined"] - row["members_left"] for row in daily)
    history = model.membership_history()
    assert len(history) == sum(
        row["changed_membership"] or row["changed_override"]
        for row in model.result()
        if row["outcome"] != "rejected"
    )
    assert {(*(row[c] for c in KEY), row["is_member"], row["override"]) for row in history} >= {
        (*(row[c] for c in KEY), row["is_member"], row["override"])
        for row in users
        if row["is_member"] or row["override"]
    }


@given(small_histories(NOW, lanes=3))
def test_every_record_has_one_result(sent: list[Sent]) -> None:
    records = records_of(sent)
    results = model_of(records).result()
    assert sorted(tuple(row[column] for column in POSITION) for row in results) == sorted(
        record.position for record in records
    )


@given(st.data())
def test_an_order_that_explains_what_was_reported_is_found(data: st.DataObject) -> None:
    """Lanes appended in any order among each other; only the outcomes are known afterwards."""
    records = records_of(data.draw(small_histories(NOW, lanes=3)))
    appended = data.draw(st.permutations(records))
    service = empty_model()
    reported = {}
    for record in lane_by_lane(appended):
        when = at_millisecond(record.timestamp_ms)
        reported[record.position] = Reported(service.append(record, when), when)
    model = empty_model()
    assert follow(model, records, reported) == []
    for view, key in [("user_segment", KEY), ("event", POSITION), ("result", POSITION)]:
        assert compare(getattr(service, view)(), getattr(model, view)(), key) == []


def test_an_outcome_that_nothing_explains_is_named() -> None:
    records = records_of(history(1, NOW, commands=5, broken=1))
    reported = {
        record.position: Reported(Outcome("event"), at_millisecond(0)) for record in records
    }
    assert follow(empty_model(), records, reported) != []


def lane_by_lane(records: Sequence[Record]) -> list[Record]:
    """Keep which lane comes when, and put each lane's records in the order of their offsets."""
    waiting = sorted(records, key=lambda record: record.offset, reverse=True)
    ordered = []
    for place in records:
        last = [one for one in waiting if one.partition == place.partition][-1]
        waiting.remove(last)
        ordered.append(last)
    return ordered


def state_of(model: Model) -> list[Row]:
    return [
        {name: row[name] for name in (*KEY, "is_member", "override")}
        for row in model.user_segment()
    ]


class TestHistories:
    @pytest.mark.parametrize("seed", range(3))
    def test_a_broken_record_is_rejected_as_labelled_and_no_other_unless_in_conflict(
        self, seed: int
    ) -> None:
        model = empty_model(registry())
        sent = history(seed, NOW, commands=3000, broken=0.2, due=seed == 1)
        for one, record in zip(sent, delivered(sent, NOW * 1000), strict=True):
            outcome = model.append(record, at_millisecond(record.timestamp_ms))
            assert outcome.reason in ({one.label} if one.label else {None, "conflict"}), record

    def test_the_same_seed_makes_the_same_history_and_another_another(self) -> None:
        assert history(7, NOW, commands=500) == history(7, NOW, commands=500)
        assert history(7, NOW, commands=500) != history(8, NOW, commands=500)

    def test_a_long_one_holds_some_of_everything(self) -> None:
        model = empty_model(registry())
        steps = random.Random(0)  # noqa: S311 - the broker's clock, now and then stepping back
        sent = history(0, NOW, commands=4000)
        clock = NOW * 1000 + 10_000
        for record in delivered(sent, clock, step_ms=lambda _: steps.randint(-2, 9)):
            model.append(record, at_millisecond(record.timestamp_ms))
        results = model.result()
        assert {row["outcome"] for row in results} == {
            "applied",
            "duplicate",
            "ineffective",
            "no_change",
            "rejected",
            "superseded",
        }
        assert {row["reason"] for row in results} >= {
            "conflict",
            "invalid_field",
            "not_json",
            "segment_archived",
            "timestamp_in_future",
            "timestamp_too_old",
            "tombstone",
            "too_large",
            "unknown_segment",
        }
        events = model.events
        assert len({(event.key, event.time) for event in events}) < 0.93 * len(events)
        lanes: dict[Any, set[int]] = {}
        for event in events:
            lanes.setdefault(event.key, set()).add(event.position[1])
        assert max(map(len, lanes.values())) > 1
        history_rows = model.membership_history()
        assert any(row["valid_from"] == row["valid_to"] for row in history_rows)
        assert model.automation_disagreement()


class TestCompare:
    def test_equal_rows_have_no_difference(self) -> None:
        expected = [{"k": 1, "reference_id": AUTO, "metadata": {"n": 1}, "x": UNSPECIFIED}]
        found = [{"k": 1, "reference_id": "auto:ab", "metadata": '{"n": 1.0}', "x": 3}]
        assert compare(expected, found, ["k"]) == []

    @pytest.mark.parametrize(
        ("found", "difference"),
        [
            ([], "missing: k='1': {'k': 1, 'b': True}"),
            ([{"k": 1, "b": True}, {"k": 2}], "unexpected: k='2': {'k': 2}"),
            ([{"k": 1, "b": 1}], "k='1': b: expected True, found 1"),
            ([{"k": 1}], "k='1': b: expected True, found no such column"),
            ([{"k": 1, "b": True}, {"k": 1, "b": True}], "found twice: k='1'"),
        ],
    )
    def test_each_difference_is_told(self, found: list[Row], difference: str) -> None:
        assert compare([{"k": 1, "b": True}], found, ["k"]) == [difference]

    def test_an_auto_reference_is_not_any_reference(self) -> None:
        rows = [{"k": 1, "reference_id": AUTO}], [{"k": 1, "reference_id": "x"}]
        assert len(compare(*rows, ["k"])) == 1
