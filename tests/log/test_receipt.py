"""received_at: the broker's clock, which may step back; a producer's own stamp is not accepted."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from schemas.command.refusal import Reason
from service.log.batch import find_holes, validate_records
from service.log.prepare import chunks
from service.log.validate import ValidCommand
from tests.support.database import rows
from tests.support.lane import Given, LogLane, command_json

NOW = 1_800_000_000_000  # milliseconds


def given(*timestamps: int, kind: int = 1, value: bytes | None = None) -> list[Given]:
    content = command_json() if value is None else value
    return [Given(n, time, None, content, (), kind) for n, time in enumerate(timestamps)]


def test_received_at_never_falls_when_the_brokers_clock_steps_back() -> None:
    """Hazard 10."""
    records = given(NOW, NOW - 5000, NOW + 1, NOW - 1)
    candidates, refused, floor = validate_records(records, 0, 0, None)
    assert refused == []
    assert [c.received_ms for c in candidates] == [NOW, NOW, NOW + 1, NOW + 1]
    assert floor == NOW + 1
    assert [c.time for c in candidates] == [NOW // 1000] * 4


def test_the_floor_of_the_batch_before_holds() -> None:
    """Hazard 10."""
    candidates, _, floor = validate_records(given(NOW - 5000, NOW - 1), NOW, 0, None)
    assert [c.received_ms for c in candidates] == [NOW, NOW]
    assert floor == NOW


def test_refused_records_raise_the_floor_too() -> None:
    """Hazard 10."""
    first, *rest = given(NOW, NOW - 5000)
    candidates, (refused,), _ = validate_records([replace(first, value=b"{"), *rest], 0, 0, None)
    assert (refused.reason, refused.received_ms) == (Reason.NOT_JSON, NOW)
    assert candidates[0].received_ms == NOW


@pytest.mark.parametrize("claimed", [0, -1, 1, NOW * 1000, 2**62, -(2**63)])
def test_a_record_stamped_by_its_producer_is_received_when_it_is_appended(claimed: int) -> None:
    """Hazard 8."""
    (candidate,), refused, floor = validate_records(given(claimed, kind=0), 0, NOW, None)
    assert refused == []
    assert isinstance(candidate, ValidCommand)
    assert (candidate.received_ms, candidate.time, floor) == (NOW, NOW // 1000, NOW)


def at(*offsets: int, span: int = 1) -> list[Given]:
    return [Given(offset, NOW, None, b"", (), span=span) for offset in offsets]


def test_holes_are_what_lies_between_the_offsets() -> None:
    assert find_holes(0, 3, at(0, 1, 2)) == []
    assert find_holes(0, 3, []) == [(0, 3)]
    assert find_holes(5, 12, at(6, 9)) == [(5, 6), (7, 9), (10, 12)]
    assert find_holes(4, 4, []) == []
    assert find_holes(5, 20, at(9, 15, span=3)) == [(5, 7), (10, 13), (16, 20)]
    assert find_holes(5, 8, at(7, span=3)) == []


@pytest.mark.stack
async def test_the_floor_outlives_the_process(lane: LogLane) -> None:
    """Hazard 10: what a lane's row says is the floor of whoever opens it next."""
    later, earlier = lane.records(command_json(), command_json())
    ahead = replace(later, timestamp=later.timestamp + 60_000)
    await lane.store(await lane.prepare_records([ahead]))
    assert lane.received_ms == ahead.timestamp
    await lane.store(await lane.prepare_records([earlier]))
    times = await rows(
        lane.settings,
        "SELECT received_at FROM segments.event UNION ALL SELECT received_at FROM segments.lane",
    )
    assert len({row["received_at"] for row in times}) == 1


def test_a_chunk_has_few_records_where_they_are_long() -> None:
    """Reading a long record takes long, and the consumer's heartbeats share the loop with it."""
    sizes = [10, 60_000, 60_000, 60_000, 65_000, *[200] * 600]
    records = [given(NOW, value=b"1" * size)[0] for size in sizes]
    found = [[len(record.value or b"") for record in chunk] for chunk in chunks(records)]
    assert [size for chunk in found for size in chunk] == sizes
    assert [len(chunk) for chunk in found] == [3, 2, 250, 250, 100]


@pytest.mark.stack
async def test_others_go_on_while_long_records_are_validated_again(lane: LogLane) -> None:
    batch = await lane.prepare_records([])
    batch.records = lane.records(*[command_json(user=f"u{n}", x=[1] * 20_000) for n in range(20)])
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await lane.appender._validate_again(batch, None)  # noqa: SLF001 - what a moved rule leads to
    beside.cancel()
    assert [one.reason for one in batch.rejected] == [Reason.INVALID_FIELD] * len(batch.records)
    assert turns >= len(batch.records) // 2
