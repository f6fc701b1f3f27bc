"""A retry of a command without a time keeps the time and place of its first receipt, if it really was received."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.database import make_segments, rows, value
from tests.support.lane import command_json, log_lanes

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
HOUR_MS = 3_600_000


def retried(content: bytes, origin: str | bytes, *more: tuple[str, bytes]) -> Any:
    raw = origin.encode() if isinstance(origin, str) else origin
    return content, [("segments-origin", raw), *more]


async def refuse(lane: LogLane, *contents: Any, hours_ago: float = 2) -> list[str]:
    """Append records received a while ago, which are refused; gives their positions."""
    records = lane.records(*contents)
    earlier = [replace(r, timestamp=r.timestamp - int(hours_ago * HOUR_MS)) for r in records]
    await lane.store(await lane.prepare_records(earlier))
    outcomes = await lane.outcomes()
    assert {outcomes[r.offset] for r in records} == {"unknown_segment"}
    return [f"{lane.lane.topic}:{lane.lane.partition}:0:{r.offset}" for r in records]


async def events(lane: LogLane) -> list[dict[str, Any]]:
    return await rows(
        lane.settings,
        "SELECT reference_id, extract(epoch FROM status_change_timestamp)::bigint AS at,"
        " extract(epoch FROM received_at)::bigint AS received, discriminator"
        " FROM segments.event ORDER BY kafka_offset",
    )


async def test_a_retry_has_the_time_and_place_of_its_first_receipt(lane: LogLane) -> None:
    """Hazard 22."""
    content = command_json(segment_id=50)
    first = int(time.time()) - 7200
    (origin,) = await refuse(lane, content)
    await make_segments(lane.settings, [("n", 50)])
    assert await lane.append(retried(content, origin)) == ["event"]
    (event,) = await events(lane)
    assert abs(event["at"] - first) <= 5
    assert event["received"] > first + 7000
    assert event["reference_id"] == f"auto:{lane.lane.topic}-0-0"
    assert event["discriminator"] == origin


async def test_what_is_retried_twice_is_a_duplicate(lane: LogLane) -> None:
    """Hazard 22: in one batch, and in another one."""
    content = command_json(segment_id=50, reference_id="r")
    (origin,) = await refuse(lane, content)
    await make_segments(lane.settings, [("n", 50)])
    again = retried(content, origin)
    assert await lane.append(again, again) == ["event", "duplicate"]
    assert await lane.append(again) == ["duplicate"]
    assert (await events(lane))[0]["reference_id"] == "r"


async def test_two_receipts_of_the_same_bytes_stay_two_commands(lane: LogLane) -> None:
    """Hazard 22."""
    content = command_json(segment_id=50)
    origins = await refuse(lane, content, content)
    await make_segments(lane.settings, [("n", 50)])
    assert await lane.append(*[retried(content, origin) for origin in origins]) == ["event"] * 2


async def test_a_forged_origin_is_not_honoured(lane: LogLane) -> None:
    """Hazard 22: only where that rejected row holds these very bytes, and no odd origin stops a lane."""
    content = command_json(segment_id=50)
    (origin, _) = await refuse(lane, content, command_json(segment_id=50, user="other"))
    await make_segments(lane.settings, [("n", 50)])
    accepted = await lane.append(command_json())
    assert accepted == ["event"]
    topic = lane.lane.topic
    forged: list[str | bytes] = [
        f"{topic}:0:0:1",  # another's bytes
        f"{topic}:0:0:2",  # an event
        f"{topic}:0:0:3",  # itself
        f"{topic}:0:0:999",
        f"{topic}:1:0:0",
        f"{topic}:0:1:0",
        "elsewhere:0:0:0",
        "",
        "x",
        ":::",
        f"{topic}:-1:0:0",
        f"{topic}:0:0:-1",
        f"{topic}:0:0:0 ",
        f"{topic}:99999999999:0:0",
        f"{topic}:0:99999999999:0",
        f"{topic}:0:0:{2**63}",
        f"{topic}:0:0:{'9' * 200}",
        f"{topic}:0:0:0:0",
        b"\xff",
        b"a" * 300,
    ]
    start = int(time.time())
    outcomes = await lane.append(*[retried(content, text) for text in forged])
    assert dict(zip(forged, outcomes, strict=True)) == dict.fromkeys(forged, "event")
    assert all(event["at"] >= start - 5 for event in await events(lane))
    assert await lane.append(retried(content + b" ", origin)) == ["event"]
    assert (await events(lane))[-1]["discriminator"].endswith(f":{lane.next_offset - 1}")


async def test_an_origin_changes_nothing_where_a_time_is_given(lane: LogLane) -> None:
    """Hazard 22."""
    at = int(time.time()) - 8000
    content = command_json(segment_id=50, status_change_timestamp=at)
    (origin,) = await refuse(lane, content)
    await make_segments(lane.settings, [("n", 50)])
    assert await lane.append(retried(content, origin), content) == ["event", "duplicate"]
    (event,) = await events(lane)
    assert (event["at"], event["discriminator"]) == (at, "")


async def test_a_retry_after_its_expiry_is_checked_by_its_first_receipt(lane: LogLane) -> None:
    """Hazard 22: expires_at lies after the command's time, which is that of the first receipt."""
    content = command_json(segment_id=50, expires_at=int(time.time()) - 3600)
    (origin,) = await refuse(lane, content, hours_ago=2)
    await make_segments(lane.settings, [("n", 50)])
    assert await lane.append(retried(content, origin)) == ["event"]
    assert await lane.append(content) == ["invalid_field"]
    assert await lane.append(retried(content, f"{lane.lane.topic}:0:0:77")) == ["invalid_field"]


async def test_a_retry_keeps_its_idempotency_key(lane: LogLane) -> None:
    """Hazard 22: and the key names the command whether it is sent again with the origin or without."""
    content = command_json(segment_id=50)
    key = ("idempotency-key", b"k")
    (origin,) = await refuse(lane, (content, [key]))
    kept = await value(lane.settings, "SELECT headers FROM segments.rejected")
    assert json.loads(kept) == {"idempotency-key": "k"}
    await make_segments(lane.settings, [("n", 50)])
    assert await lane.append(retried(content, origin, key), (content, [key])) == [
        "event", "duplicate",
    ]  # fmt: skip


async def test_a_retry_may_arrive_in_another_lane(registered: Settings) -> None:
    """Hazard 22."""
    async with log_lanes(registered, 2) as (first, second):
        content = command_json(segment_id=50)
        (origin,) = await refuse(first, content)
        await make_segments(registered, [("n", 50)])
        assert await second.append(retried(content, origin)) == ["event"]
        assert await first.append(retried(content, origin)) == ["duplicate"]
