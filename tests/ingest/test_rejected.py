"""Refusals: published to `<prefix>.rejected`, resumable; and published again as commands once they are mended."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer

from schemas.messages import RejectedMessage
from schemas.position import Position
from schemas.topics import Topics
from service.ingest.role import ingest
from service.kafka.clients import connection_options, producing
from service.operations.retries import retry_rejected
from service.outbox import rejected
from service.outbox.rejected import publish_rejected
from service.runtime.errors import NotThereError, RefusedError
from tests.support.accounts import logged, outcomes
from tests.support.database import connected, make_segments, rows, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.lane import command_json
from tests.support.roles import service
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
PUBLISHED = (
    "SELECT (SELECT sum(next_offset) FROM segments.rejected_outbox)"
    " = (SELECT sum(next_offset) FROM segments.lane)"
)


async def told(settings: Settings, count: int) -> list[tuple[bytes | None, dict[str, Any]]]:
    """Read so many messages of the rejected topic, and what comes within a moment; in order of lane and offset."""
    found: list[tuple[bytes | None, dict[str, Any]]] = []
    async with AIOKafkaConsumer(
        Topics(settings.topic_prefix).rejected,
        **connection_options(settings),
        auto_offset_reset="earliest",
    ) as reader:
        async with asyncio.timeout(PATIENCE):
            while len(found) < count:
                for records in (await reader.getmany(timeout_ms=200)).values():
                    found += [(record.key, json.loads(record.value)) for record in records]
        for records in (await reader.getmany(timeout_ms=200)).values():
            found += [(record.key, json.loads(record.value)) for record in records]
    return sorted(found, key=lambda one: (one[1]["kafka_partition"], one[1]["kafka_offset"]))


async def test_each_refusal_is_told_on_the_rejected_topic(ready: Settings) -> None:
    """Hazard 21: once it is in the table, with long payloads cut and long keys left out."""
    long = command_json(segment_id=77, description="é" * 4000, reference_id="r")
    records = [
        NewRecord(b"{", lane=0, key=b"\xff\0"),
        NewRecord(lane=0, user="good"),
        NewRecord(None, lane=0, key=b"k"),
        NewRecord(long, lane=1, key=b"n:u"),
        NewRecord(b'"\xff\0"', lane=1, key=None),
        NewRecord(b"{", lane=2, key=b"k" * 1_048_400),
    ]
    async with service(ready, ingest, publish_rejected):
        await publish(ready, records, max_request_size=1_060_000, max_batch_size=1_048_588)
        await logged(ready)
        found = await told(ready, 5)
        await until(ready, PUBLISHED)
    assert [(m["kafka_partition"], m["kafka_offset"], m["reason"], key) for key, m in found] == [
        (0, 0, "not_json", b"\xff\0"),
        (0, 2, "tombstone", b"k"),
        (1, 0, "unknown_segment", b"n:u"),
        (1, 1, "not_json", None),
        (2, 0, "too_large", None),
    ]
    for _, message in found:
        RejectedMessage.model_validate(message)
    first, tombstone, cut, replaced, _ = (message for _, message in found)
    assert (first["payload_text"], first["payload_is_cut"]) == ("{", False)
    assert (tombstone["payload_text"], tombstone["payload_is_cut"]) == (None, False)
    assert (cut["payload_text"], cut["payload_is_cut"]) == (long.decode()[:4096], True)
    assert (cut["network_id"], cut["reference_id"]) == ("n", "r")
    assert replaced["payload_text"] == '"\ufffd\ufffd"'
    whole = await value(
        ready, "SELECT payload FROM reporting.rejected WHERE reason = 'unknown_segment'"
    )
    assert whole == long


async def test_publishing_resumes_where_it_stopped(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hazard 21: after a restart, in small batches, two at once: nothing is left out, nothing told twice."""
    monkeypatch.setattr(rejected, "BATCH", 3)
    monkeypatch.setattr(rejected, "EVERY_SECONDS", 0.02)
    async with service(ready, ingest):
        for _ in range(2):
            await publish(ready, [NewRecord(b"{", lane=n % 2) for n in range(20)])
            await logged(ready)
            async with service(ready, publish_rejected, publish_rejected):
                await until(ready, PUBLISHED)
    found = await told(ready, 40)
    assert [(m["kafka_partition"], m["kafka_offset"]) for _, m in found] == [
        (lane, offset) for lane in range(2) for offset in range(20)
    ]


async def retry(settings: Settings, position: str) -> dict[str, Any]:
    async with connected(settings) as connection, producing(settings) as producer:
        return await retry_rejected(connection, producer, settings, Position.parse(position), "ann")


async def test_a_mended_record_is_retried_with_its_first_receipt(ready: Settings) -> None:
    """Hazard 22: and what is retried twice is a duplicate."""
    topic = Topics(ready.topic_prefix).commands
    async with service(ready, ingest):
        await publish(
            ready,
            [
                NewRecord(
                    command_json(segment_id=50),
                    lane=0,
                    key=b"n:u",
                    headers=[("idempotency-key", b"k")],
                )
            ],
        )
        await logged(ready)
        await make_segments(ready, [("n", 50)])
        received = time.time()
        await holds(lambda: int(time.time()) > int(received))  # so that the two receipts differ
        for _ in range(2):
            await retry(ready, f"{topic}:0:0:0")
        await logged(ready)
    (event,) = await rows(
        ready,
        "SELECT e.status_change_timestamp = date_trunc('second', r.received_at) AS first,"
        " e.status_change_timestamp < date_trunc('second', e.received_at) AS earlier, e.source, e.actor,"
        " r.retried_at IS NOT NULL AS told FROM reporting.event AS e CROSS JOIN reporting.rejected AS r",
    )
    assert event == {
        "first": True,
        "earlier": True,
        "source": "retry",
        "actor": "ann",
        "told": True,
    }
    assert await value(ready, "SELECT count(*) FROM segments.duplicate") == 1


async def test_a_retry_that_is_refused_again_keeps_the_first_origin(ready: Settings) -> None:
    """Hazard 22: and an origin that was forged at first does not cost the record its receipt."""
    topic = Topics(ready.topic_prefix).commands
    forged = f"{topic}:3:0:5".encode()
    async with service(ready, ingest):
        await publish(
            ready,
            [
                NewRecord(command_json(segment_id=50), lane=0, key=b"n:u"),
                NewRecord(
                    command_json(segment_id=50, user="v"),
                    lane=1,
                    headers=[("segments-origin", forged)],
                ),
            ],
        )
        await logged(ready)
        again = await retry(ready, f"{topic}:0:0:0")
        await logged(ready)
        await make_segments(ready, [("n", 50)])
        lane, offset = again["kafka_partition"], again["kafka_offset"]
        await retry(ready, f"{topic}:{lane}:0:{offset}")
        await retry(ready, f"{topic}:1:0:0")
        await logged(ready)
    found = await rows(ready, "SELECT discriminator FROM segments.event ORDER BY discriminator")
    assert [row["discriminator"] for row in found] == [f"{topic}:0:0:0", f"{topic}:1:0:0"]


async def test_a_tombstone_and_what_is_not_there_are_not_retried(ready: Settings) -> None:
    topic = Topics(ready.topic_prefix).commands
    async with service(ready, ingest):
        await publish(ready, [NewRecord(None, lane=0)])
        await logged(ready)
    with pytest.raises(RefusedError, match="a null value says nothing"):
        await retry(ready, f"{topic}:0:0:0")
    with pytest.raises(NotThereError, match="no rejected record"):
        await retry(ready, f"{topic}:0:0:1")
    assert await outcomes(ready) == ["tombstone"]
