"""`rejected retry` by reason, segment, topic or time, and what becomes of each retry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from schemas.topics import Topics
from service.ingest.role import ingest
from service.operations import retries
from tests.support.accounts import logged
from tests.support.command_line import run
from tests.support.database import make_segments, rows, value
from tests.support.kafka import NewRecord, publish, read_topic
from tests.support.lane import command_json
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
BECAME = (
    "SELECT r.kafka_partition, r.kafka_offset, r.reason, r.outcome, r.event_id, r.rejected_reason, r.actor"
    " FROM reporting.rejected_retry AS r ORDER BY r.retry_id"
)
LAST_RETRY = """
SELECT retried_as FROM reporting.rejected_retry ORDER BY retry_id DESC LIMIT 1
"""
LATER = timedelta(seconds=1)


async def refuse(settings: Settings, *records: NewRecord) -> None:
    """Publish records, and let them be appended as they are; ingest must be running."""
    await publish(settings, records)
    await logged(settings)


def of(user: str, segment_id: int, **fields: Any) -> NewRecord:
    return NewRecord(command_json(user=user, segment_id=segment_id, **fields), lane=0, key=b"k")


async def retry(settings: Settings, *arguments: str) -> Any:
    result = await run(settings, "rejected", "retry", "--json", "--actor", "ann", *arguments)
    assert result.code == 0, result.err
    return result.json


async def test_a_selection_is_counted_and_then_retried_with_the_exact_bytes(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By segment; what lies beside it stays, and a second call finds nothing more."""
    monkeypatch.setattr(retries, "_PAGE", 2)
    odd = b' {"network_id":"n","user":"o","segment_id":50,"user_status":"add"}\n'
    async with service(ready, ingest):
        await refuse(
            ready, of("a", 50), of("b", 50), NewRecord(odd, lane=0, key=b"k"), of("c", 51), NewRecord(b"{", lane=1)
        )  # fmt: skip
        await make_segments(ready, [("n", 50)])
        wanted = ("--reason", "unknown_segment", "--segment", "50", "--network", "n")
        dry = await retry(ready, *wanted, "--dry-run")
        assert dry["would_retry"] == 3
        assert await value(ready, "SELECT count(*) FROM segments.retry") == 0
        assert await retry(ready, *wanted) == {"retried": 3, "left_out": []}
        await logged(ready)
        assert await retry(ready, *wanted) == {"retried": 0, "left_out": []}
    records = await read_topic(ready, Topics(ready.topic_prefix).commands)
    again = [r for r in records if dict(r.headers).get("segments-origin")]
    assert {r.value for r in again} == {odd, *(of(u, 50).value for u in "ab")}
    assert len(again) == 3
    users = await rows(ready, "SELECT user_id, source FROM reporting.event ORDER BY user_id")
    assert [tuple(row.values()) for row in users] == [(u, "retry") for u in "abo"]


async def test_a_topic_and_a_time_select_what_was_received_there_and_then(
    ready: Settings,
) -> None:
    topic = Topics(ready.topic_prefix).commands
    async with service(ready, ingest):
        await refuse(ready, of("early", 50))
        received = await value(ready, "SELECT received_at FROM reporting.rejected")
        after = (received + timedelta(milliseconds=1)).isoformat()
        while datetime.now(UTC) <= received + LATER:
            await refuse(ready, of("late", 50))
        counted = {
            arguments: (await retry(ready, *arguments, "--dry-run"))["would_retry"]
            for arguments in (
                ("--to", after), ("--from", after, "--topic", topic), ("--topic", "another"),
                ("--from", (datetime.now(UTC) + timedelta(days=1)).isoformat()),
            )
        }  # fmt: skip
    late = await value(ready, "SELECT count(*) - 1 FROM reporting.rejected")
    assert list(counted.values()) == [1, late, 0, 0]


async def test_the_view_says_what_became_of_each_retry(ready: Settings) -> None:
    """Waiting, appended as an event, a duplicate of it, or rejected again and why."""
    async with service(ready, ingest):
        await refuse(ready, of("a", 50), of("b", 51))
        await make_segments(ready, [("n", 50)])
        await retry(ready, "--reason", "unknown_segment")
        await logged(ready)
        await retry(ready, f"{Topics(ready.topic_prefix).commands}:0:0:0")
        await logged(ready)
    await retry(ready, f"{Topics(ready.topic_prefix).commands}:0:0:1")
    event = await value(ready, "SELECT event_id FROM reporting.event")
    became = [tuple(row.values()) for row in await rows(ready, BECAME)]
    assert became == [
        (0, 0, "unknown_segment", "appended", event, None, "ann"),
        (0, 1, "unknown_segment", "rejected", None, "unknown_segment", "ann"),
        (0, 0, "unknown_segment", "duplicate", event, None, "ann"),
        (0, 1, "unknown_segment", "queued", None, None, "ann"),
    ]


async def test_what_the_same_bytes_can_never_mend_is_refused_in_a_sentence(
    ready: Settings,
) -> None:
    """conflict, not_json, too_large and tombstone: by position all or nothing, in a selection they are left out."""
    topic = Topics(ready.topic_prefix).commands
    at = {"status_change_timestamp": 1_700_000_000, "reference_id": "r"}
    async with service(ready, ingest):
        await refuse(
            ready, of("u", 1, **at), of("u", 1, **at, description="other"), NewRecord(b"{", lane=0),
            NewRecord(b" " * 70_000, lane=0), NewRecord(None, lane=0), of("a", 50),
        )  # fmt: skip
    said = {}
    for offset, reason in ((1, "conflict"), (2, "not_json"), (3, "too_large"), (4, "tombstone")):
        position = f"{topic}:0:0:{offset}"
        result = await run(ready, "rejected", "retry", f"{topic}:0:0:5", position)
        assert (result.code, result.out) == (1, "")
        assert f"{position} was rejected as {reason}: " in result.err
        said[reason] = result.err
    assert "another time, reference or idempotency key" in said["conflict"]
    assert "less metadata" in said["too_large"]
    assert await value(ready, "SELECT count(*) FROM segments.retry") == 0
    done = await retry(ready, "--topic", topic)
    assert done["retried"] == 1
    assert {row["reason"]: row["left_out"] for row in done["left_out"]} == dict.fromkeys(
        said, "no record with this reason is retried"
    )


async def test_a_retry_of_a_retry_ends_and_the_first_record_can_still_be_retried(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A selection takes the last record of a row of retries, so it never grows; after some it is left out."""
    monkeypatch.setattr(retries, "MOST_RETRIES", 2)
    topic = Topics(ready.topic_prefix).commands
    async with service(ready, ingest):
        await refuse(ready, of("a", 50))
        done = []
        for _ in range(4):
            done.append((await retry(ready, "--reason", "unknown_segment"))["retried"])
            await logged(ready)
        assert done == [1, 1, 0, 0]
        last = await value(ready, LAST_RETRY)
        refused = await run(ready, "rejected", "retry", last)
        assert (refused.code, "was retried 2 times in a row" in refused.err) == (1, True)
        await make_segments(ready, [("n", 50)])
        await retry(ready, f"{topic}:0:0:0")
        await logged(ready)
    assert await value(ready, "SELECT discriminator FROM segments.event") == f"{topic}:0:0:0"


async def test_neither_positions_nor_a_selection_or_both_is_wrong_use(ready: Settings) -> None:
    for arguments in ((), ("t:0:0:1", "--reason", "conflict")):
        result = await run(ready, "rejected", "retry", *arguments)
        assert (result.code, "Name POSITIONS, or select" in result.err) == (2, True)
