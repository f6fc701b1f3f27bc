"""Record keys order a user's commands and decide nothing: any key or none is accepted, in any lane."""

from __future__ import annotations

import time
import zlib
from typing import TYPE_CHECKING

import pytest
import structlog
from prometheus_client import REGISTRY

from service.ingest.role import ingest
from tests.support.accounts import logged, outcomes
from tests.support.database import folded, rows, sound, value
from tests.support.kafka import NewRecord, publish
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
NOW = int(time.time()) - 3600


def librdkafkas_lane(key: bytes, lanes: int) -> int:
    """Librdkafka's `consistent_random` partitioner: CRC32."""
    return zlib.crc32(key) % lanes


async def test_one_key_in_several_lanes_stays_exact(ready: Settings) -> None:
    """Hazard 10: Java's partitioner (aiokafka's too) and librdkafka's send one user to different lanes."""
    records = []
    for step, status in enumerate(["add", "block", "reset", "enter", "leave", "enter"]):
        for number in range(12):
            user = f"u{number}"
            lane = librdkafkas_lane(f"n:{user}".encode(), 4) if step % 2 else None
            records.append(
                NewRecord(
                    lane=lane, user=user, user_status=status, status_change_timestamp=NOW + step
                )
            )
    async with service(ready):
        meta = await publish(ready, records + records[::-1])
        await folded(ready)
    assert len({(m.partition) for m in meta}) == 4
    assert await value(ready, "SELECT count(*) FROM segments.event") == len(records)
    assert await value(ready, "SELECT count(*) FROM segments.duplicate") == len(records)
    lanes_a_user = await value(
        ready,
        "SELECT max(lanes) FROM (SELECT count(DISTINCT kafka_partition) AS lanes"
        " FROM reporting.event GROUP BY user_id) AS u",
    )
    assert lanes_a_user == 2
    members = await rows(
        ready, "SELECT cause, count(*) AS users FROM reporting.membership GROUP BY cause"
    )
    assert members == [{"cause": "enter", "users": 12}]
    await sound(ready)


async def read_keys(settings: Settings, keys: list[bytes | None]) -> None:
    async with service(settings, ingest):
        await publish(
            settings, [NewRecord(NewRecord(user="u").value, lane=0, key=key) for key in keys]
        )
        await publish(settings, [NewRecord(NewRecord(user=" A@B ").value, lane=0, key=b"n:a@b")])
        await logged(settings)


async def test_any_key_or_none_is_accepted_and_other_keys_are_counted_and_told_once(
    ready: Settings,
) -> None:
    """Hazard 10: miskeyed is what has a key other than `network_id:user`; without one, nothing claims an order."""
    before = REGISTRY.get_sample_value("segments_miskeyed_total") or 0
    keys = [b"n:u", None, b"", b"\xff\0\xfe", b"n:U", b"u", b"N:u", b"n:u ", b"k" * 60_000]
    with structlog.testing.capture_logs() as lines:
        await read_keys(ready, keys)
    assert await outcomes(ready) == ["event"] * (len(keys) + 1)
    assert (REGISTRY.get_sample_value("segments_miskeyed_total") or 0) - before == 7
    told = [line for line in lines if line["event"] == "record keys are not network_id:user"]
    assert len(told) == 1  # once a lane, however many batches
