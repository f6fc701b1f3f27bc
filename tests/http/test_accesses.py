"""Who reads data over HTTP is recorded: in the background, without the identifier, and however many read at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import pytest

from service.http.kit import access_log
from service.http.kit.access_log import AccessLog
from service.postgres.database import open_database
from service.registry.api_keys import ApiKey, Scope
from tests.support.command_line import run
from tests.support.database import connected, rows, value
from tests.support.roles import service
from tests.support.waiting import holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings
    from tests.http.client import Api

pytestmark = pytest.mark.stack
READS = "SELECT * FROM reporting.access_event ORDER BY segment_id, access_event_id"
KEY = ApiKey(
    "k", "n", "shop", frozenset({Scope.REPORT}), datetime.now(UTC), None, None, None, None, None
)


@pytest.fixture
async def whole(api: Api) -> AsyncIterator[Api]:
    """The API with ingest and projections."""
    async with service(api.settings):
        yield api


async def test_each_route_that_reads_says_what_was_read_and_by_whom(whole: Api) -> None:
    sent = (await whole.post({"user": "U@x.org", "segment_id": 1, "user_status": "add"})).json()
    position = f"{sent['topic']}:{sent['partition']}:{sent['offset']}"

    async def is_member() -> bool:
        return (
            await whole.call("GET", "/networks/n/segments/1/members/u@x.org")
        ).status_code == 200

    await holds(is_member)
    for path, accept in (
        ("segments/1/members", "application/json"),
        ("segments/1/members", "text/csv"),
        ("segments/1/members/u@x.org/explanation", "*/*"),
        ("users/u@x.org/segments", "*/*"),
        ("sizes", "*/*"),
        (f"results?position={position}", "*/*"),
    ):
        answer = await whole.call("GET", f"/networks/n/{path}", headers={"Accept": accept})
        assert answer.status_code == 200, path
    wanted = {
        ("/networks/{network_id}/segments/{segment_id}/members", 1, None),
        ("/networks/{network_id}/segments/{segment_id}/members/{user}", 1, "u@x.org"),
        ("/networks/{network_id}/segments/{segment_id}/members/{user}/explanation", 1, "u@x.org"),
        ("/networks/{network_id}/users/{user}/segments", None, "u@x.org"),
        ("/networks/{network_id}/sizes", None, None),
        ("/networks/{network_id}/results", None, None),
    }

    async def are_recorded() -> bool:
        found = await rows(whole.settings, READS)
        return {(row["route"], row["segment_id"], row["user_id"]) for row in found} == wanted

    await holds(are_recorded)
    found = await rows(whole.settings, READS)
    assert {(row["network_id"], row["actor"], row["via"]) for row in found} == {
        ("n", "test key", "http")
    }
    listed = [row for row in found if row["route"].endswith("/members")]
    assert sum(row["reads"] for row in listed) == 2
    assert sum(row["rows_read"] for row in listed) == 2


async def test_equal_reads_share_a_row_with_their_number(database: Settings) -> None:
    async with open_database(database, "segments_api", 1) as opened:
        accesses = AccessLog(opened)
        for _ in range(3):
            accesses.note(KEY, "http", "/route", 1, rows=2)
        accesses.note(KEY, "http", "/route", 2, rows=2)
        await accesses.record()
        await accesses.record()
    found = await rows(database, READS)
    assert [(row["segment_id"], row["reads"], row["rows_read"]) for row in found] == [
        (1, 3, 6),
        (2, 1, 2),
    ]
    assert found[0]["first_at"] <= found[0]["last_at"]


async def test_beyond_a_bound_reads_are_counted_without_their_user(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "MOST", 2)
    async with open_database(database, "segments_api", 1) as opened:
        accesses = AccessLog(opened)
        for number in range(5):
            accesses.note(KEY, "http", "/route", 1, f"u{number}")
        await accesses.record()
    assert sorted(row["reads"] for row in await rows(database, READS)) == [1, 1, 3]


async def test_what_cannot_be_recorded_is_held_and_an_answer_does_not_wait(
    database: Settings,
) -> None:
    async with open_database(database, "segments_api", 1) as opened:
        accesses = AccessLog(opened)
        accesses.note(KEY, "http", "/route")
        async with connected(database) as owner, owner.transaction():
            await owner.execute("LOCK TABLE segments.access_event IN ACCESS EXCLUSIVE MODE")
            recording = asyncio.ensure_future(accesses.record())

            async def waits() -> bool:
                return bool(
                    await value(
                        database,
                        "SELECT count(*) FROM pg_locks WHERE NOT granted"
                        " AND relation = 'segments.access_event'::regclass",
                    )
                )

            await holds(waits)
            accesses.note(KEY, "http", "/route")
            recording.cancel()
            with pytest.raises(asyncio.CancelledError):
                await recording
        await accesses.record()
    assert [row["reads"] for row in await rows(database, READS)] == [2]


async def test_an_identifier_is_not_copied_and_ends_with_its_person(whole: Api) -> None:
    await whole.post({"user": "gone@x.org", "segment_id": 1, "user_status": "add"})

    async def is_recorded() -> bool:
        await whole.call("GET", "/networks/n/users/gone@x.org/segments")
        return bool(
            [row for row in await rows(whole.settings, READS) if row["user_id"] == "gone@x.org"]
        )

    await holds(is_recorded)
    stored = await rows(whole.settings, "SELECT a::text AS row FROM segments.access_event AS a")
    assert not [one for one in stored if "gone@x.org" in one["row"]]
    async with connected(whole.settings) as owner:
        await owner.fetchval("SELECT segments.erase_person('n', 'gone@x.org', 'ann', 'asked')")
    assert {row["user_id"] for row in await rows(whole.settings, READS)} <= {"erased:1", None}


async def test_a_read_is_forgotten_after_400_days_and_no_earlier(database: Settings) -> None:
    insert = (
        "INSERT INTO segments.access_event (network_id, actor, via, route, reads, first_at, last_at)"
        " SELECT 'n', 'ann', 'command', 'explain', 1, t, t FROM (SELECT now() - make_interval(days => $1) AS t) AS x"
    )
    async with connected(database) as owner:
        for days in (401, 399, 0):
            await owner.execute(insert, days)
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="kept for 400 days"):
            await owner.execute("DELETE FROM segments.access_event")
    async with connected(database, "segments_ingest") as ingest:
        assert await ingest.fetchval("SELECT segments.forget_accesses()") == 1
    assert await value(database, "SELECT count(*) FROM segments.access_event") == 2


async def test_commands_that_read_record_who_ran_them(ready: Settings) -> None:
    commands: list[tuple[str, ...]] = [
        ("explain", "--network", "n", "--segment", "1", "--user", "U@x.org"),
        ("as-of", "--network", "n", "--segment", "1"),
        ("as-of",),
        ("rejected", "list", "--network", "n"),
    ]
    for command in commands:
        await run(ready, *command, SEGMENTS_ACTOR="auditor@example.com")
    found = await rows(ready, READS)
    assert [(row["route"], row["network_id"], row["segment_id"]) for row in found] == [
        ("explain", "n", 1), ("as-of", "n", 1), ("as-of", None, None), ("rejected list", "n", None),
    ]  # fmt: skip
    assert {(row["via"], row["actor"], row["key_id"]) for row in found} == {
        ("command", "auditor@example.com", None)
    }
