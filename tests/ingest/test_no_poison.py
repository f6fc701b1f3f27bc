"""No record whatsoever stops a lane: each offset is accounted for once, and each refusal has its reason."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from schemas.command.refusal import Reason
from service.ingest.role import ingest
from tests.support.accounts import logged, outcomes
from tests.support.damage import mutations
from tests.support.database import folded, make_segments, rows, sound, value
from tests.support.kafka import NewRecord, publish
from tests.support.roles import service
from tests.support.zoo import zoo

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
LARGE: dict[str, Any] = {"max_request_size": 1_040_000, "max_batch_size": 1_040_000}
BETWEEN = 7  # so many odd records between two good ones


async def test_every_odd_record_is_told_apart_and_stops_nothing(ready: Settings) -> None:
    """Hazard 18 and guarantee 6: between good records, in one lane, with their payloads kept whole."""
    await make_segments(ready, [("N", 1)])
    sent: list[tuple[str, NewRecord]] = []
    for number, odd in enumerate(zoo()):
        if number % BETWEEN == 0:
            sent.append(("event", NewRecord(lane=0, user=f"good {number}")))
        sent.append(odd)
    async with service(ready):
        await publish(ready, [record for _, record in sent], **LARGE)
        await folded(ready)
    found = await outcomes(ready)
    wrong = [
        (expected, got, (record.value or b"")[:120])
        for (expected, record), got in zip(sent, found, strict=True)
        if expected != got
    ]
    assert wrong == []
    await sound(ready)
    kept = await rows(
        ready,
        "SELECT kafka_offset, payload, payload_text, detail FROM reporting.rejected ORDER BY kafka_offset",
    )
    for row in kept:
        record = sent[row["kafka_offset"]][1]
        assert row["payload"] == record.value
        assert (row["payload_text"] is None) == (record.value is None)
        assert row["detail"]
    for row in await rows(ready, "SELECT kafka_offset, record_key FROM segments.rejected"):
        record = sent[row["kafka_offset"]][1]
        # aiokafka refuses to send neither key nor value.
        assert row["record_key"] == (b"" if record.key is record.value is None else record.key)


@pytest.mark.parametrize("seed", range(2))
async def test_damaged_and_random_records_stop_nothing(ready: Settings, seed: int) -> None:
    """Hazard 18 and guarantee 6: thousands of records nobody thought of; the last one is a good one."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    sent = mutations(rng, 2500)
    async with service(ready, ingest):
        await publish(ready, [*sent, NewRecord(lane=0, user="the last")])
        await logged(ready)
    found = Counter(await outcomes(ready))
    assert sum(found.values()) == 2501
    assert set(found) <= {"event", "duplicate"} | set(Reason) - {Reason.UNSTORABLE, Reason.SKIPPED}
    assert found["event"] > 100
    assert found["not_json"] > 500
    assert (
        await value(ready, "SELECT count(*) FROM reporting.event WHERE user_id = 'the last'") == 1
    )


async def test_a_lane_of_nothing_but_refused_records_moves_on(ready: Settings) -> None:
    """Guarantee 6: a batch without a single event."""
    async with service(ready, ingest):
        await publish(
            ready, [NewRecord(b"{", lane=0), NewRecord(None, lane=0), NewRecord(b"", lane=0)] * 5
        )
        await logged(ready)
    assert await outcomes(ready) == ["not_json", "tombstone", "not_json"] * 5
