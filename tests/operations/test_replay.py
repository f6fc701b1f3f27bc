"""`replay`: a second installation that reads the replayed events has the same views, row for row."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from projections.fold.worker import project
from projections.outbox.expiries import publish_expiries
from schemas.topics import Topics
from service.ingest.role import ingest
from service.kafka.publish import Sender, signed_headers
from service.runtime.secret import SecretStr
from tests.support.accounts import logged
from tests.support.command_line import run
from tests.support.database import erase, folded, make_segments, rows, sound, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.lane import command_json
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
NOW = int(time.time())
SEGMENTS = [("n", 1), ("n", 2), ("n", 3), ("m", 1)]
OF_THE_PLACE = re.compile(
    "event_id|kafka_.*|received_at|recorded_at|last_recorded_at|restated_at|retro.*"
)
"""Columns of a position and of a receipt, which are another installation's own."""
DERIVED = re.compile(r"auto:[0-9a-f]{32}|expire:[0-9a-f-]{36}")
"""References that the log derives, with its salts and positions."""
VIEWS = dict.fromkeys(
    (
        "membership", "override", "user_segment", "automation_disagreement", "membership_history", "event",
        "segment_size", "segment_size_daily", "segment_size_calendar",
    ),
    "",
) | {"result": "WHERE outcome NOT IN ('duplicate', 'rejected')"}  # fmt: skip


async def views(settings: Settings) -> dict[str, list[str]]:
    """Return the rows of every view, without the columns that an installation has of its own."""
    shown = {}
    for view, condition in VIEWS.items():
        found = await rows(settings, f"SELECT * FROM reporting.{view} {condition}")
        shown[view] = sorted(
            str({k: DERIVED.sub("derived", str(v)) for k, v in row.items() if not OF_THE_PLACE.fullmatch(k)})
            for row in found
        )  # fmt: skip
    return shown


def signed(settings: Settings, source: str, actor: str | None, **fields: Any) -> NewRecord:
    record = NewRecord(**fields)
    headers = signed_headers(settings, record.key, record.value or b"", Sender(source, actor))
    return NewRecord(record.value, key=record.key, headers=headers)


async def fill(first: Settings) -> int:
    """Give an installation one of everything; return the number of its erasure."""
    at = NOW - 5000
    odd = b'{"network_id":"n","user":" Odd@X.com","segment_id":2,"user_status":"enter","metadata":{"a":1.0,"b":1e-400}}'
    async with service(first, ingest, project):
        await publish(
            first,
            [
                NewRecord(user="blank"),
                NewRecord(user="blank", user_status="enter", reference_id="campaign"),
                NewRecord(user="given", status_change_timestamp=at, description="why\n\u00e9"),
                NewRecord(user="given", status_change_timestamp=at, reference_id="r", user_status="block"),
                NewRecord(odd, key=b"n:odd@x.com"),
                signed(first, "http", "ann", user="given", user_status="leave", segment_id=2),
                signed(first, "dashboard", None, user="theirs", network_id="m"),
                NewRecord(user="lapsing", status_change_timestamp=at, expires_at=at + 60),
                NewRecord(user="lapsing", status_change_timestamp=at, reference_id="s", expires_at=at + 60,
                          segment_id=2),
                NewRecord(user="gone", status_change_timestamp=at, expires_at=at + 60, description="hers"),
                NewRecord(user="archived", segment_id=3),
                NewRecord(user="late", segment_id=9),
            ],
        )  # fmt: skip
        await folded(first)
        # One second, two lanes: the receipt decides, against the order of the lanes.
        for lane, status in ((3, "add"), (0, "block")):
            await publish(first, [NewRecord(
                command_json(user="tied", user_status=status, status_change_timestamp=at, reference_id=status),
                key=b"k", lane=lane,
            )])  # fmt: skip
            await folded(first)
        number = await erase(first, "gone")
        async with service(first, publish_expiries):
            await until(
                first, "SELECT count(*) = 3 FROM reporting.event WHERE user_status = 'expire'"
            )
            await folded(first)
        await publish(
            first,
            [NewRecord(user="lapsing", status_change_timestamp=at + 120, user_status="block"),
             NewRecord(user="lapsing", status_change_timestamp=at + 90, user_status="leave")],
        )  # fmt: skip
        await make_segments(first, [("n", 9)])
        assert (await run(first, "rejected", "retry", "--segment", "9")).code == 0
        await folded(first)
        archived = ("segment", "archive", "--network", "n", "--id", "3")
        assert (await run(first, *archived)).code == 0
    return int(number)


async def replayed(first: Settings, second: Settings, *more: str) -> Any:
    """Replay to the commands topic of the second installation, signed with its key."""
    topic = Topics(second.topic_prefix).commands
    keyed = first.model_copy(update={"signing_key": second.signing_key})
    result = await run(keyed, "replay", "--topic", topic, "--json", *more)
    assert result.code == 0, result.err
    return result.json


@pytest.fixture
async def pair(settings: Settings, second: Settings) -> tuple[Settings, Settings]:
    """Two installations with other keys and the same segments, the third one archived in the second."""
    key = SecretStr("another key, of the second installation alone")
    second = second.model_copy(update={"signing_key": key})
    await make_segments(settings, SEGMENTS)
    await make_segments(second, [*SEGMENTS, ("n", 9)])
    assert (await run(second, "segment", "archive", "--network", "n", "--id", "3")).code == 0
    return settings, second


async def test_a_second_installation_that_reads_a_replay_has_the_same_views_row_for_row(
    pair: tuple[Settings, Settings],
) -> None:
    """Blank times, ties, sources, actors, expiries, an erased person, retries, and an archived segment."""
    first, second = pair
    await fill(first)
    events = await value(first, "SELECT count(*) FROM reporting.event")
    assert (await replayed(first, second, "--dry-run"))["would_replay"] == events
    assert (await replayed(first, second))["replayed"] == events
    async with service(second, ingest, project):
        await folded(second)
        assert await value(second, "SELECT count(*) FROM reporting.rejected") == 0
        assert await views(second) == await views(first)
        # What the second one has already is a duplicate, erased people and expiries among it.
        await replayed(first, second)
        await folded(second)
        assert await views(second) == await views(first)
    duplicates = await value(second, "SELECT count(*) FROM reporting.duplicate")
    assert duplicates == events
    await sound(second)


async def test_an_erased_name_stays_nobodys_in_the_copy(pair: tuple[Settings, Settings]) -> None:
    """Nobody speaks for it, nobody erases it, and an erasure there takes another number."""
    first, second = pair
    number = await fill(first)
    name = f"erased:{number}"
    await replayed(first, second)
    async with service(second, ingest, project):
        await folded(second)
        await publish(second, [NewRecord(user=name), NewRecord(user="new")])
        await logged(second)
        rejected = await rows(second, "SELECT reason, detail FROM reporting.rejected")
        assert [row["reason"] for row in rejected] == ["invalid_field"]
        assert await erase(second, name) is None
        assert await erase(second, "new") not in (None, number)
        await folded(second)
    await sound(second)


async def test_a_name_that_is_taken_in_the_copy_is_not_shared(
    pair: tuple[Settings, Settings],
) -> None:
    first, second = pair
    number = await fill(first)
    async with service(second, ingest, project):
        await publish(second, [NewRecord(user=f"erased:{number}", description="a user's name")])
        await folded(second)
        await replayed(first, second)
        await folded(second)
        refused = await rows(second, "SELECT DISTINCT reason FROM reporting.rejected")
        assert [row["reason"] for row in refused] == ["invalid_field"]
        sent = await rows(
            second, "SELECT description FROM reporting.event WHERE user_id = $1", f"erased:{number}"
        )
    assert [row["description"] for row in sent] == ["a user's name"]


async def test_a_part_of_the_log_is_replayed_by_network_segment_and_time(
    pair: tuple[Settings, Settings],
) -> None:
    first, second = pair
    await fill(first)
    last = await value(first, "SELECT max(recorded_at) FROM reporting.event")
    for arguments, condition in (
        (("--network", "m"), "network_id = 'm'"),
        (("--network", "n", "--segment", "2"), "network_id = 'n' AND segment_id = 2"),
        (("--to", last.isoformat()), "recorded_at < (SELECT max(recorded_at) FROM reporting.event)"),
        (("--from", last.isoformat()), "recorded_at = (SELECT max(recorded_at) FROM reporting.event)"),
    ):  # fmt: skip
        counted = await value(first, f"SELECT count(*) FROM reporting.event WHERE {condition}")
        assert (await replayed(first, second, *arguments, "--dry-run"))["would_replay"] == counted
    await replayed(first, second, "--network", "m")
    async with service(second, ingest):
        await logged(second)
    found = await rows(second, "SELECT network_id, user_id, source FROM reporting.event")
    assert [tuple(row.values()) for row in found] == [("m", "theirs", "dashboard")]


async def test_what_a_replay_states_is_believed_only_with_the_key_of_the_installation(
    pair: tuple[Settings, Settings],
) -> None:
    """Unsigned, it is an ordinary command: received now, about a segment that must not be archived."""
    _, second = pair
    origin = ("segments-origin", b"elsewhere:0:0:7@1500000000")
    async with service(second, ingest):
        await publish(
            second,
            [
                NewRecord(command_json(user="a"), headers=[origin], lane=0),
                NewRecord(command_json(user="b", segment_id=3), headers=[origin], lane=0),
                NewRecord(command_json(user="c", segment_id=77), headers=[origin], lane=0),
            ],
        )
        await logged(second)
        await make_segments(second, [("n", 77)])
        assert (await run(second, "rejected", "retry", "--segment", "77")).code == 0
        await logged(second)
    times = await rows(
        second,
        "SELECT extract(epoch FROM status_change_timestamp)::bigint AS at FROM reporting.event",
    )
    assert [row["at"] >= NOW for row in times] == [True, True]
    reasons = await rows(second, "SELECT reason FROM reporting.rejected ORDER BY kafka_offset")
    assert [row["reason"] for row in reasons] == ["segment_archived", "unknown_segment"]


async def test_a_replayed_record_that_was_rejected_is_replayed_again_and_not_retried(
    pair: tuple[Settings, Settings],
) -> None:
    first, second = pair
    async with service(first, ingest):
        await make_segments(first, [("n", 88)])
        await publish(first, [NewRecord(user="a", segment_id=88)])
        await logged(first)
    await replayed(first, second)
    async with service(second, ingest):
        await logged(second)
        await make_segments(second, [("n", 88)])
        retried = await run(second, "rejected", "retry", "--segment", "88", "--json")
        assert (retried.json["retried"], retried.json["left_out"][0]["records"]) == (0, 1)
        (listed,) = (await run(second, "rejected", "list", "--json")).json
        one = await run(second, "rejected", "retry", listed["position"])
        assert (one.code, "Replay it again" in one.err) == (1, True)
        await replayed(first, second)
        await logged(second)
    query = "SELECT discriminator, status_change_timestamp FROM segments.event"
    assert await rows(second, query) == await rows(first, query)


async def test_a_topic_that_is_missing_or_ones_own_is_refused_in_a_sentence(
    pair: tuple[Settings, Settings],
) -> None:
    first, second = pair
    unsigned = first.model_copy(update={"signing_key": None})
    for settings, topic, sentence in (
        (first, Topics(first.topic_prefix).commands, "This installation itself uses"),
        (first, "nowhere", "There is no topic nowhere"),
        (unsigned, Topics(second.topic_prefix).commands, "SEGMENTS_SIGNING_KEY is not set"),
    ):
        result = await run(settings, "replay", "--topic", topic)
        assert (result.code, result.out) == (1, "")
        assert sentence in result.err
    assert json.loads((await run(first, "replay", "--topic", "x", "--dry-run", "--json")).out) == {
        "would_replay": 0, "topic": "x",
    }  # fmt: skip
