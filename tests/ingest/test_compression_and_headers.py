"""Whatever a producer compresses with and whatever it puts into headers, its records arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from service.ingest.role import ingest
from tests.support.accounts import logged, outcomes
from tests.support.batch import Raw, publish_batch
from tests.support.database import value
from tests.support.kafka import NewRecord, publish
from tests.support.lane import command_json
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
CODECS = ("gzip", "snappy", "lz4", "zstd")
NAME_NOT_UTF8 = b"\xff\xfe\x80"


async def test_every_compression_is_read(ready: Settings) -> None:
    """Hazard 1."""
    async with service(ready, ingest):
        for codec in CODECS:
            await publish(
                ready,
                [NewRecord(lane=0, user=f"{codec} {n}", description="x" * 500) for n in range(20)],
                compression_type=codec,
            )
        await logged(ready)
    assert await outcomes(ready) == ["event"] * 80
    assert (
        await value(ready, "SELECT count(*) FROM reporting.event WHERE length(description) = 500")
        == 80
    )


ODD_HEADERS: list[list[tuple[str, bytes | None]]] = [
    [("x", b"\xff\x00\xfe")],
    [("x", None)],
    [("x", b"")],
    [("", b"")],
    [("", None)],
    [("é\x00\n", b"x")],
    [("traceparent", b"\xff"), ("traceparent", None)],
    [("segments-source", None), ("segments-signature", b"\xff" * 64)],
    [("segments-actor", b"\xff\x00")],
    [("segments-origin", b"\xff")],
    [("content-type", b"x" * 20_000)],
    [(f"header-{n}", bytes([n])) for n in range(100)],
    [("same", b"1")] * 100,
    [("Idempotency-Key", b"\xff")],
]


async def test_odd_headers_decide_nothing_and_lose_nothing(ready: Settings) -> None:
    """Hazard 2."""
    async with service(ready, ingest):
        await publish(
            ready, [NewRecord(lane=0, headers=headers, user="u") for headers in ODD_HEADERS]
        )
        await publish(ready, [NewRecord(lane=0, user="u", headers=[("idempotency-key", None)])])
        await logged(ready)
    assert await outcomes(ready) == ["event"] * len(ODD_HEADERS) + ["invalid_field"]


async def test_a_header_name_that_is_not_utf8_withholds_no_record(ready: Settings) -> None:
    """Hazard 4: neither the good records before it in its batch nor those after it, compressed or not."""
    expected = [
        "event", "event", "duplicate", "tombstone", "not_json", "event", "event", "duplicate", "event",
    ]  # fmt: skip
    codecs = [None, *CODECS]
    async with service(ready, ingest):
        for codec in codecs:
            await publish_batch(ready, 0, batch_with_odd_names(str(codec)), codec)
            await publish(ready, [NewRecord(lane=0, user="later")])
        await logged(ready)
    assert await outcomes(ready) == expected * len(codecs)
    after = "SELECT count(*) FROM reporting.event WHERE user_id = 'after' AND description = 'é'"
    assert await value(ready, after) == len(codecs)


def batch_with_odd_names(name: str) -> list[Raw]:
    odd: list[tuple[bytes, bytes | None]] = [(NAME_NOT_UTF8, b"v"), (b"\xed\xa0\x80", None)]
    keys = [(b"idempotency-key", f"{name} {number}".encode()) for number in range(2)]

    def record(user: str, *headers: Any, **fields: Any) -> Raw:
        return Raw(command_json(user=user, **fields), f"n:{user}".encode(), headers)

    return [
        record("before", keys[0]),
        record("odd", *odd),
        record("before", keys[0]),
        Raw(None, b"k", odd),
        Raw(b"{", None, odd),
        record("odd and keyed", *odd, keys[1]),
        record("after", description="é"),
        record("odd and keyed", keys[1], *odd),
    ]


async def test_a_lane_opens_again_behind_a_record_with_such_a_name(ready: Settings) -> None:
    """Hazards 4 and 6: the lane's last record is read again when it is assigned."""
    for user in ("one", "two"):
        await publish_batch(ready, 0, [Raw(command_json(user=user), None, [(NAME_NOT_UTF8, b"")])])
        async with service(ready, ingest):
            await logged(ready)
    assert await outcomes(ready) == ["event", "event"]
