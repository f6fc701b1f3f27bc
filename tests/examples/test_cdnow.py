"""The example upstream: what it publishes, folded by a plain dict, is what counting says."""

import datetime as dt
import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from examples import cdnow
from examples.cdnow import data
from examples.cdnow.broken import BROKEN
from examples.cdnow.by_hand import BY_HAND, of_key
from examples.cdnow.commands import EVERY, LATE
from examples.cdnow.expected import AS_OF
from examples.cdnow.rules import outcomes
from examples.cdnow.vocabulary import CHURNED, DEVELOPER, POWER_USER, REPEAT_BUYER

FIELDS = {
    "network_id",
    "user",
    "segment_id",
    "user_status",
    "status_change_timestamp",
    "reference_id",
    "metadata",
    "description",
}
YEAR_1990, NOW = 631_152_000, 1_700_000_000


class Fold(NamedTuple):
    """What a plain reading of the records gives."""

    events: list[dict[str, Any]]
    refused: Counter[str]
    members: dict[int, int]
    overrides: Counter[tuple[int, str]]
    ineffective: int
    state: dict[tuple[str, int], tuple[bool, str | None]]


def reason_against(value: bytes | None) -> str | None:
    """Say why a record is refused, as far as these records go; None when it is not."""
    if value is None:
        return "tombstone"
    try:
        command = json.loads(value)
    except ValueError:
        return "not_json"
    statuses = {"add", "block", "reset", "enter", "leave"}
    known = set(command) <= FIELDS and command["user_status"] in statuses
    if not known or type(command["segment_id"]) is not int:
        return "invalid_field"
    if command["status_change_timestamp"] < YEAR_1990:
        return "timestamp_too_old"
    if command["status_change_timestamp"] > NOW:
        return "timestamp_in_future"
    return None if 1 <= command["segment_id"] <= 4 else "unknown_segment"


def fold(records: list[cdnow.Record], until: float = NOW) -> Fold:
    """Take the records in the order of arrival, then fold each key in the order of time."""
    accepted: dict[tuple[Any, ...], dict[str, Any]] = {}
    refused: Counter[str] = Counter()
    for _, value in records:
        if reason := reason_against(value):
            refused[reason] += 1
            continue
        command = json.loads(value or b"")
        command["user"] = cdnow.normalised(command["user"])
        names = ("user", "segment_id", "status_change_timestamp", "reference_id")
        first = accepted.setdefault(tuple(command[name] for name in names), command)
        if first is not command:
            refused["duplicate" if first == command else "conflict"] += 1
    state: dict[tuple[str, int], tuple[bool, str | None]] = {}
    ineffective = 0
    for event in sorted(accepted.values(), key=lambda e: int(e["status_change_timestamp"])):
        if event["status_change_timestamp"] > until:
            break
        key, status = (event["user"], event["segment_id"]), event["user_status"]
        member, override = state.get(key, (False, None))
        if status in {"add", "block"}:
            state[key] = (status == "add", status)
        elif status == "reset":
            state[key] = (member, None)
        elif override is None:
            state[key] = (status == "enter", None)
        else:
            ineffective += 1
    members = Counter(segment for (_, segment), (member, _) in state.items() if member)
    overrides = Counter((segment, o) for (_, segment), (_, o) in state.items() if o)
    by_segment = {segment: members[segment] for segment, _, _ in cdnow.SEGMENTS}
    events = list(accepted.values())
    return Fold(events, refused, by_segment, overrides, ineffective, state)


@pytest.fixture(scope="module")
def purchases() -> list[data.Purchase]:
    return cdnow.load()


@pytest.fixture(scope="module")
def records(purchases: list[data.Purchase]) -> list[cdnow.Record]:
    return cdnow.records(purchases)


@pytest.fixture(scope="module")
def expected(purchases: list[data.Purchase]) -> cdnow.Expected:
    return cdnow.expected(purchases)


def test_the_file_holds_69659_purchases_of_23570_customers(purchases: list[data.Purchase]) -> None:
    assert len(purchases) == 69_659
    assert len({p.customer for p in purchases}) == 23_570
    assert min(p.day for p in purchases) == dt.date(1997, 1, 1)
    assert max(p.day for p in purchases) == dt.date(1998, 6, 30)
    assert purchases[1] == data.Purchase("00002", dt.date(1997, 1, 12), 1, 1200)


def test_the_numbers_are_the_ones_the_readme_may_state(expected: cdnow.Expected) -> None:
    assert expected.records == 68_527
    assert (expected.events, expected.duplicates, expected.late) == (67_838, 678, 679)
    assert expected.members == {1: 11_517, 2: 765, 3: 21_074, 4: 4}


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_in_any_order_of_arrival_the_records_fold_to_what_counting_says(
    records: list[cdnow.Record], expected: cdnow.Expected, seed: int | None
) -> None:
    arrived = list(records)
    if seed is not None:
        random.Random(seed).shuffle(arrived)  # noqa: S311 - an order, not a secret
    found = fold(arrived)
    assert len(arrived) == expected.records
    assert len(found.events) == expected.events
    assert found.refused == {**expected.rejected, "duplicate": expected.duplicates}
    assert found.members == expected.members
    assert found.ineffective == expected.ineffective
    for standing, by_segment in (("add", expected.added), ("block", expected.blocked)):
        assert by_segment == {s: found.overrides[s, standing] for s, _, _ in cdnow.SEGMENTS}


@pytest.mark.parametrize("moment", AS_OF)
def test_past_sizes_fold_to_what_counting_says(
    records: list[cdnow.Record], expected: cdnow.Expected, moment: dt.datetime
) -> None:
    assert fold(records, moment.timestamp()).members == expected.members_as_of[moment]


def test_no_two_events_of_a_key_share_a_second(records: list[cdnow.Record]) -> None:
    """Ties would be settled by arrival; without them no order of arrival changes the result."""
    seconds = Counter(
        (e["user"], e["segment_id"], e["status_change_timestamp"]) for e in fold(records).events
    )
    assert set(seconds.values()) == {1}


def test_the_same_purchases_in_any_order_give_the_same_bytes(
    purchases: list[data.Purchase], records: list[cdnow.Record]
) -> None:
    assert cdnow.records(reversed(purchases)) == records


def test_one_of_a_hundred_is_late_and_one_of_a_hundred_is_repeated_bit_for_bit(
    purchases: list[data.Purchase], records: list[cdnow.Record], expected: cdnow.Expected
) -> None:
    count = len(list(outcomes(purchases)))
    copies = Counter(record for record in records if record.value)
    assert sum(n - 1 for n in copies.values()) == expected.duplicates == count // EVERY
    newest, late = 0, 0
    for event in fold(records).events:
        newest = max(newest, event["status_change_timestamp"])
        late += event["status_change_timestamp"] < newest
    assert late == expected.late == len(range(LATE, count, EVERY)) + 1


def test_each_broken_record_is_refused_for_the_reason_stated(records: list[cdnow.Record]) -> None:
    assert {b.reason for b in BROKEN} == {reason_against(b.value) for b in BROKEN}
    assert all(reason_against(b.value) == b.reason for b in BROKEN)
    assert all(records.count(cdnow.Record(b.key, b.value)) == 1 for b in BROKEN)


def test_every_good_record_bears_the_key_of_its_normalised_user(
    records: list[cdnow.Record],
) -> None:
    spellings = defaultdict(set)
    for key, value in records:
        if value and reason_against(value) is None:
            user = json.loads(value)["user"]
            assert key == f"cdnow:{cdnow.normalised(user)}".encode()
            spellings[key].add(user)
    assert max(map(len, spellings.values())) > 2


def test_what_was_done_by_hand_tells_the_stories_it_is_said_to_tell(
    purchases: list[data.Purchase], records: list[cdnow.Record]
) -> None:
    state = fold(records).state
    assert state[cdnow.PINNED, POWER_USER] == (True, "add")
    assert state[cdnow.BLOCKED, POWER_USER] == (False, "block")
    assert state[cdnow.RETURNED, POWER_USER] == (True, None)
    assert state[cdnow.UNPINNED, POWER_USER] == (True, None)
    assert state[cdnow.user_of("00001"), CHURNED] == (False, "block")
    assert state[cdnow.user_of("00002"), REPEAT_BUYER] == (True, "add")
    assert state["dev-cleo@example.com", DEVELOPER] == (True, None)
    statuses: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes(purchases):
        if outcome.segment_id == POWER_USER:
            statuses[cdnow.user_of(outcome.customer)].append(outcome.user_status)
    assert statuses[cdnow.PINNED] == statuses[cdnow.UNPINNED] == ["enter", "leave"]
    assert statuses[cdnow.BLOCKED] == ["enter"]
    assert statuses[cdnow.RETURNED] == ["enter", "leave", "enter"]


def test_no_key_is_touched_by_hand_and_by_rule_on_one_day(records: list[cdnow.Record]) -> None:
    """The counting goes by days, so it relies on that."""
    by_rule = {
        (e["user"], e["segment_id"], e["status_change_timestamp"] // 86_400)
        for e in fold(records).events
        if e["user_status"] in {"enter", "leave"}
    }
    for hand in BY_HAND:
        key = (cdnow.normalised(hand.user), hand.segment_id)
        assert (*key, hand.at // 86_400) not in by_rule
        assert of_key(*key, NOW)[0].user_status != "reset"


def test_when_the_file_cannot_be_fetched_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(cdnow.DataUnavailableError, match="put that file at") as error:
        cdnow.load()
    assert str(data.cached()) in str(error.value)
    assert list(data.cached().parent.iterdir()) == []


def test_a_damaged_copy_in_the_cache_is_not_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    data.cached().parent.mkdir(parents=True)
    data.cached().write_text(" 00001 19970101  1   11.77\r\n")
    with pytest.raises(cdnow.DataUnavailableError):
        cdnow.load()
