"""The registry: ids, names, and each change of it kept with actor and time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from service.postgres.database import open_database
from service.registry import segments as registry
from service.runtime.errors import NameTakenError, UnknownSegmentError
from tests.support.database import connected, rows, value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from service.postgres.database import Database
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
ROLE = "segments_registry"


@pytest.fixture
async def connection(database: Settings) -> AsyncIterator[asyncpg.Connection[Any]]:
    async with connected(database, ROLE) as opened:
        yield opened


async def test_ids_are_the_networks_highest_and_one_unless_given(connection: Any) -> None:
    async def create(network_id: str, name: str, segment_id: int | None = None) -> int:
        made = await registry.create(
            connection, network_id=network_id, name=name, segment_id=segment_id
        )
        return made.segment_id

    assert [await create("a", "one"), await create("a", "two"), await create("b", "one")] == [
        1,
        2,
        1,
    ]
    assert [
        await create("a", "ten", 10),
        await create("a", "more"),
        await create("a", "five", 5),
    ] == [10, 11, 5]
    assert await create("a", "last") == 12


async def test_a_name_or_id_of_the_network_that_is_taken_is_refused_and_leaves_nothing(
    connection: Any, database: Settings
) -> None:
    await registry.create(connection, network_id="n", name="one")
    changes = await value(database, "SELECT count(*) FROM segments.registry_event")
    with pytest.raises(NameTakenError, match="one"):
        await registry.create(connection, network_id="n", name="one")
    with pytest.raises(NameTakenError):
        await registry.create(connection, network_id="n", name="other", segment_id=1)
    await registry.create(connection, network_id="m", name="one")
    await registry.create(connection, network_id="n", name="two")
    with pytest.raises(NameTakenError):
        await registry.edit(connection, network_id="n", segment_id=2, name="one")
    assert await value(database, "SELECT count(*) FROM reporting.segment") == 3
    assert await value(database, "SELECT count(*) FROM segments.registry_event") == changes + 2
    assert (
        await value(database, "SELECT segments FROM segments.network WHERE network_id = 'n'") == 2
    )


async def test_many_created_at_once_get_ids_of_their_own(database: Settings) -> None:
    async def create(connections: Database, number: int) -> int:
        async with connections.single() as connection:
            made = await registry.create(connection, network_id="n", name=f"s{number}")
            return made.segment_id

    async with open_database(database, ROLE, 6) as connections:
        ids = await asyncio.gather(*(create(connections, number) for number in range(24)))
    assert sorted(ids) == list(range(1, 25))


async def test_each_change_is_kept_with_actor_time_and_its_interval(
    connection: Any, database: Settings
) -> None:
    one: dict[str, Any] = {"network_id": "n", "segment_id": 1}
    made = await registry.create(
        connection, network_id="n", name="a", description="first", is_visible=False, actor="ann"
    )
    assert (made.created_by, made.is_visible, made.archived_at) == ("ann", False, None)
    await registry.edit(connection, **one, name="b", is_visible=True, actor="bob", reason="")
    await registry.set_archived(connection, **one, archived=True, actor="cid", reason="Over")
    await registry.set_archived(connection, **one, archived=True, actor="nobody: it is so already")
    restored = await registry.set_archived(connection, **one, archived=False, actor="dan")
    assert restored.archived_at is None

    history = await rows(database, "SELECT * FROM reporting.segment_history ORDER BY valid_from")
    names = ("segment_name", "description", "is_visible", "archived", "actor", "reason")
    assert [tuple(r[name] for name in names) for r in history] == [
        ("a", "first", False, False, "ann", None),
        ("b", "first", True, False, "bob", None),
        ("b", "first", True, True, "cid", "Over"),
        ("b", "first", True, False, "dan", None),
    ]  # fmt: skip
    assert [r["valid_to"] for r in history] == [*(r["valid_from"] for r in history[1:]), None]
    (now,) = await rows(database, "SELECT * FROM reporting.segment")
    assert (now["segment_name"], now["created_by"], now["archived_at"]) == ("b", "ann", None)
    assert now["created_at"] <= history[0]["valid_from"]


async def test_a_segment_that_is_not_there_is_told_so(connection: Any) -> None:
    with pytest.raises(UnknownSegmentError):
        await registry.edit(connection, network_id="n", segment_id=1, name="x")
    with pytest.raises(UnknownSegmentError):
        await registry.set_archived(connection, network_id="n", segment_id=1, archived=True)


async def test_archived_hidden_and_empty_segments_are_in_the_views(
    connection: Any, database: Settings
) -> None:
    await registry.create(connection, network_id="n", name="hidden", is_visible=False)
    await registry.create(connection, network_id="n", name="gone")
    await registry.set_archived(connection, network_id="n", segment_id=2, archived=True)
    assert await rows(database, "SELECT * FROM reporting.segment_size ORDER BY segment_id") == [
        {
            "network_id": "n",
            "segment_id": n,
            "segment_name": name,
            "members": 0,
            "added": 0,
            "blocked": 0,
        }
        for n, name in ((1, "hidden"), (2, "gone"))
    ]
    assert (
        await value(
            database, "SELECT count(*) FROM reporting.segment WHERE archived_at IS NOT NULL"
        )
        == 1
    )
