"""What is remembered, and for how long: idempotency keys, and what an erasure leaves of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from service.ingest.role import ingest
from tests.support.database import GUARDED, UNGUARDED, connected, erase, rows, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.lane import command_json
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
AT = int(time.time()) - 3600
KEYS = "SELECT count(*) FROM segments.idempotency"


def keyed(key: str, **fields: object) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    return command_json(**fields), (("idempotency-key", key.encode()),)


async def age(settings: Settings, days: float) -> None:
    async with connected(settings) as connection, connection.transaction():
        await connection.execute(UNGUARDED)
        await connection.execute(
            "UPDATE segments.idempotency SET seen_at = seen_at - make_interval(hours => $1)",
            int(days * 24),
        )
        await connection.execute(GUARDED)


async def test_a_key_is_remembered_for_7_days_and_forgotten_after_8(ready: Settings) -> None:
    key = (("idempotency-key", b"k"),)
    async with service(ready, ingest):
        await publish(ready, [NewRecord(user="u", headers=key, lane=0)])
        await until(ready, f"SELECT ({KEYS}) = 1")
    await age(ready, 7.5)
    async with service(ready, ingest):
        await publish(ready, [NewRecord(user="u", headers=key, lane=0)])
        await until(ready, "SELECT count(*) FROM segments.duplicate")
    await age(ready, 1)
    async with service(ready, ingest):
        await until(ready, f"SELECT ({KEYS}) = 0")
        await publish(ready, [NewRecord(user="u", headers=key, lane=0)])
        await until(ready, "SELECT count(*) = 2 FROM segments.event")
    assert await value(ready, KEYS) == 1


async def test_many_keys_are_forgotten_in_small_batches_the_oldest_first(lane: LogLane) -> None:
    settings = lane.settings
    async with connected(settings) as connection:
        await connection.execute(
            "INSERT INTO segments.idempotency SELECT 'n', int4send(n), now() - make_interval(days => 8, secs => n),"
            " 1, 1, '' FROM generate_series(1, 5003) AS n"
        )
    async with connected(settings, "segments_ingest") as connection:
        assert await connection.fetchval("SELECT segments.forget_keys()") == 5000
        left = "SELECT array_agg(key_digest ORDER BY key_digest) FROM segments.idempotency"
        assert await connection.fetchval(left) == [n.to_bytes(4, "big") for n in (1, 2, 3)]
        assert await connection.fetchval("SELECT segments.forget_keys()") == 3
        assert await connection.fetchval("SELECT segments.forget_keys()") == 0


async def test_a_key_that_an_append_holds_is_passed_over(lane: LogLane) -> None:
    settings = lane.settings
    assert await lane.append(keyed("a"), keyed("b", user="v")) == ["event"] * 2
    await age(settings, 9)
    async with connected(settings) as holding, holding.transaction():
        await holding.execute("SELECT FROM segments.idempotency LIMIT 1 FOR UPDATE")
        async with connected(settings, "segments_ingest") as connection:
            await connection.execute("SET lock_timeout = '1s'")
            assert await connection.fetchval("SELECT segments.forget_keys()") == 1


async def test_a_retry_by_key_after_an_erasure_is_a_duplicate_still(lane: LogLane) -> None:
    first = keyed("k", user="ann", status_change_timestamp=AT)
    assert await lane.append(first, keyed("other", user="bob")) == ["event"] * 2
    await erase(lane.settings, "ann")
    assert await lane.append(first) == ["duplicate"]
    assert await lane.append(keyed("other", user="bob", segment_id=2)) == ["conflict"]
    # Segment and status are left to compare; the rest of the erased command is not.
    for other in ({"segment_id": 2}, {"segment_id": 77}, {"user_status": "block"}):
        given = {"user": "ann", "status_change_timestamp": AT} | other
        assert await lane.append(keyed("k", **given)) == ["conflict"], other


async def test_the_name_of_an_erased_person_is_given_to_nobody_else(lane: LogLane) -> None:
    await lane.append(command_json(user="ann"))
    number = await erase(lane.settings, "ann")
    name = f"erased:{number}"
    outcomes = await lane.append(
        command_json(user=name),
        command_json(user=name, segment_id=77),
        command_json(user=f"erased:{number + 1}"),
        command_json(user=name, network_id="m"),
        command_json(user="erased:"),
    )
    assert outcomes == ["invalid_field", "invalid_field", "event", "event", "event"]
    named = await rows(
        lane.settings,
        "SELECT erased FROM segments.person WHERE network_id = 'n' AND user_id = $1",
        name,
    )
    assert [row["erased"] for row in named] == [number]
    (row, _) = await rows(lane.settings, "SELECT * FROM segments.rejected")
    assert row["person_id"] is None
    assert "/user" in row["detail"]


async def test_a_rejected_record_gives_the_name_of_an_erased_person_to_nobody(
    lane: LogLane,
) -> None:
    await lane.append(command_json(user="ann"))
    name = f"erased:{await erase(lane.settings, 'ann')}"
    rejected = command_json(user=name, segment_id=77)
    assert await lane.append(command_json(user=name, status_change_timestamp=1), rejected) == [
        "timestamp_too_old",
        "invalid_field",
    ]
    assert await lane.append(command_json(user=name)) == ["invalid_field"]
    people = await rows(
        lane.settings, "SELECT erased FROM segments.person WHERE user_id = $1", name
    )
    assert [row["erased"] > 0 for row in people] == [True]
