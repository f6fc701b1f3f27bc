"""No lock that a reader can take stands in a writer's way; what does is said in the log."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

import asyncpg
import pytest
from structlog.testing import capture_logs

from service.ingest import stalls
from service.postgres.database import database_url
from service.postgres.migrate import set_up_database
from service.registry.analysts import grant
from tests.log.test_append_race import command
from tests.support.database import connected, erase, until
from tests.support.lane import log_lanes
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
# Every advisory lock that there ever was, and any other.
TAKEN = (
    "SELECT pg_advisory_lock(hashtext(name)) FROM unnest("
    "'{segments.erasure,segments.analyst,segments.analyze}'::text[])"
    " AS name UNION ALL SELECT pg_advisory_lock(98975303)"
)


def test_no_statement_of_ours_takes_an_advisory_lock() -> None:
    found = subprocess.run(
        ["git", "grep", "-nE", r"pg_(try_)?advisory", "--", "schemas", "service", "projections", "segments"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.stdout == ""


async def test_any_login_may_take_any_advisory_lock_and_stops_nothing(
    registered: Settings, lane: LogLane
) -> None:
    async with connected(registered, "segments_report") as reader:
        await reader.fetch(TAKEN)
        async with asyncio.timeout(PATIENCE):
            assert await lane.append(command(1)) == ["event"]
            assert await lane.append(*(command(n) for n in range(2, 200))) == ["event"] * 198
            assert await erase(registered, "u1") == 1
            assert await set_up_database(registered) == []
            async with connected(registered) as owner:
                await owner.execute(f"CREATE ROLE analyst_{registered.topic_prefix}")
            try:
                await grant(registered, f"analyst_{registered.topic_prefix}", "n")
            finally:
                async with connected(registered) as owner:
                    await owner.execute(
                        f"DROP OWNED BY analyst_{registered.topic_prefix};"
                        f"DROP ROLE analyst_{registered.topic_prefix}"
                    )


@pytest.mark.parametrize(
    "role", ["segments_report", "segments_report_network", "segments_api", "segments_project"]
)
async def test_no_reader_can_lock_what_writers_wait_for(registered: Settings, role: str) -> None:
    """By LOCK TABLE, on tables or through views, in any mode that stands in an append's or an erasure's way."""
    async with connected(registered, role) as reader:
        for table in (
            "segments.erasure_gate", "segments.lane", "segments.event", "segments.network", "migrations.applied",
            "segments.analyst_event", "reporting.event", "reporting_network.event", "reporting.lane",
        ):  # fmt: skip
            for mode in ("ROW SHARE", "SHARE", "EXCLUSIVE", "ACCESS EXCLUSIVE"):
                with pytest.raises(asyncpg.PostgresError) as refused:
                    async with reader.transaction():
                        await reader.execute(f"LOCK TABLE {table} IN {mode} MODE NOWAIT")
                assert refused.value.sqlstate == "42501", (table, mode, refused.value)


async def test_an_erasure_waits_for_appends_and_appends_for_an_erasure(
    registered: Settings,
) -> None:
    async with log_lanes(registered, 2) as (one, other), connected(registered) as appending:
        await one.append(command(1))
        begun = appending.transaction()
        await begun.start()
        await appending.execute("SET LOCAL ROLE segments_ingest")
        await appending.execute("SELECT segments.keep_erasure_out()")
        assert await other.append(command(2)) == ["event"]  # appends go side by side
        erasing = asyncio.create_task(erase(registered, "u1"))
        await until(
            registered,
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'ExclusiveLock')",
        )
        waiting = asyncio.create_task(other.append(*(command(n) for n in range(3, 120))))
        await until(
            registered,
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'RowExclusiveLock')",
        )
        assert not erasing.done()
        await begun.rollback()
        assert await erasing == 1
        assert await waiting == ["event"] * 117


async def test_an_append_that_waits_for_a_lock_says_once_who_is_in_its_way(
    registered: Settings, lane: LogLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "EVERY_SECONDS", 0.05)
    monkeypatch.setattr(stalls, "STALLED_SECONDS", 0.5)
    with capture_logs() as lines:
        telling = asyncio.create_task(stalls.log_stalls(registered, asyncio.Event()))
        holding = await asyncpg.connect(
            database_url(registered), server_settings={"application_name": "somebody"}
        )
        pid = holding.get_server_pid()
        try:
            begun = holding.transaction()
            await begun.start()
            await holding.execute("SELECT FROM segments.lane FOR UPDATE")
            appending = asyncio.create_task(lane.append(command(1)))
            async with asyncio.timeout(PATIENCE):
                while not lines:  # noqa: ASYNC110 - a log has no event
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.5)  # some more rounds
            await begun.rollback()
            assert await appending == ["event"]
        finally:
            telling.cancel()
            await asyncio.wait([telling])
            holding.terminate()
    (told,) = [one for one in lines if one["event"] == "an append waits for a lock"]
    assert told["blocked_by"] == [f"{pid} (postgres, somebody, idle in transaction)"]
