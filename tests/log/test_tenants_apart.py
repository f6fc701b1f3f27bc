"""What one network does with its segments moves nothing that another's commands rest on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from service.registry import segments as registry
from tests.log.test_append_race import command
from tests.support.database import connected, erase, make_segments, rows, value
from tests.support.lane import command_json
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack


class Asked:
    """What an Appender's connections are asked for, by a part of the statement."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def count(self, text: str) -> int:
        return sum(text in statement for statement in self.statements)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Note all statements that fetch rows while the test runs; they go to the real Postgres."""
    import asyncpg  # noqa: PLC0415

    noted = Asked()
    for name in ("fetch", "fetchrow", "fetchval"):
        plain = getattr(asyncpg.Connection, name)

        async def noting(
            self: Any, query: str, *arguments: Any, _plain: Any = plain, **more: Any
        ) -> Any:
            noted.statements.append(query)
            return await _plain(self, query, *arguments, **more)

        monkeypatch.setattr(asyncpg.Connection, name, noting)
    return noted


async def test_what_the_append_does_not_need_makes_no_batch_prepare_again(
    lane: LogLane, asked: Asked
) -> None:
    """Names, descriptions, visibility, others' archiving, new segments: a prepared batch goes in at its first try."""
    await lane.append(command(1), command(2))
    batch = await lane.prepare(command(1, reference_id="x"), command(2, reference_id="y"))
    async with connected(lane.settings) as connection:
        await registry.edit(connection, network_id="n", segment_id=1, name="other", description="x")
        await registry.edit(connection, network_id="n", segment_id=1, is_visible=False)
        await registry.edit(connection, network_id="m", segment_id=1, description="y")
        await registry.set_archived(connection, network_id="n", segment_id=2, archived=True)
    await make_segments(lane.settings, [("m", 2), ("n", 77)])
    asked.statements.clear()
    assert (await lane.appender.store_together(batch)) is not None
    assert asked.count("") == 1
    lane.next_offset = batch.next_offset
    # Nor is anybody or anything looked up again for the next one.
    asked.statements.clear()
    await lane.append(command(1, reference_id="z"))
    assert asked.count("segments.person") == 0
    assert asked.count("segments.segment AS t") == 0


async def test_only_who_was_erased_is_looked_up_again(lane: LogLane, asked: Asked) -> None:
    users = [command(n, reference_id="first") for n in range(5)]
    await lane.append(*users)
    batch = await lane.prepare(*(command(n, reference_id="second") for n in (1, 2)))
    assert await erase(lane.settings, "u3") == 1
    asked.statements.clear()
    await lane.store(batch)
    assert asked.count("INSERT INTO segments.person") == 0
    await lane.append(*(command(n, reference_id="third") for n in (0, 1, 2, 4)))
    assert asked.count("INSERT INTO segments.person") == 0
    await lane.append(command(3, reference_id="again"))
    assert asked.count("INSERT INTO segments.person") == 1
    found = await rows(lane.settings, "SELECT DISTINCT user_id FROM reporting.event ORDER BY 1")
    assert [row["user_id"] for row in found] == ["erased:1", "u0", "u1", "u2", "u3", "u4"]


async def test_a_segment_is_looked_up_by_itself_however_many_another_network_has(
    registered: Settings, lane: LogLane
) -> None:
    """Rows that are read, not time: 300,000 segments of another network are not among them."""
    async with connected(registered) as connection:
        await connection.execute(
            "INSERT INTO segments.segment (network_id, segment_id, segment_name, is_visible, created_at)"
            " SELECT 'huge', n, n::text, true, now() FROM generate_series(1, 300000) AS n"
        )
        await connection.execute("ANALYZE segments.segment")
    await lane.append(command(1))
    await make_segments(registered, [("huge", 300_001)])
    await lane.append(command(1, segment_id=2), command_json(network_id="huge", segment_id=5))
    assert len(lane.appender._memory.segments) == 3  # noqa: SLF001 - what it holds is what it read
    assert await value(registered, "SELECT count(*) FROM segments.event") == 3


async def test_a_change_of_one_network_waits_for_no_change_of_another(registered: Settings) -> None:
    async with connected(registered) as one, connected(registered) as other, one.transaction():
        await registry.edit(one, network_id="n", segment_id=1, description="under way")
        async with asyncio.timeout(PATIENCE):
            await registry.create(other, network_id="m", name="made meanwhile")
            await registry.edit(other, network_id="m", segment_id=1, description="x")
    history = "SELECT count(*) FROM segments.registry_event WHERE change = 'edited'"
    assert await value(registered, history) == 2


async def test_changes_of_a_network_are_numbered_in_their_order(registered: Settings) -> None:
    async def change(number: int) -> None:
        async with connected(registered) as connection:
            await registry.edit(connection, network_id="n", segment_id=1, description=f"{number}")

    await asyncio.gather(*(change(number) for number in range(8)))
    (newest,) = await rows(
        registered,
        "SELECT description FROM segments.registry_event ORDER BY version DESC LIMIT 1",
    )
    now = await value(
        registered,
        "SELECT description FROM segments.segment WHERE network_id = 'n' AND segment_id = 1",
    )
    assert newest["description"] == now


async def test_an_archived_segment_refuses_also_in_a_batch_that_names_others(lane: LogLane) -> None:
    """And a segment of that batch that was restored takes commands again: at the first try, under the lane's lock."""
    await lane.append(command(1), command(1, segment_id=9))
    batch = await lane.prepare(
        command(2), command(2, segment_id=2), command(2, segment_id=9), command(2, segment_id=60)
    )
    async with connected(lane.settings) as connection:
        await registry.set_archived(connection, network_id="n", segment_id=2, archived=True)
        await registry.set_archived(connection, network_id="n", segment_id=9, archived=False)
    await make_segments(lane.settings, [("n", 60)])
    await lane.store(batch)
    assert await lane.outcomes() == {
        0: "event", 1: "segment_archived", 2: "event", 3: "segment_archived", 4: "event", 5: "event",
    }  # fmt: skip
