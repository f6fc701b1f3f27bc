"""membership_as_of on both clocks, with its filters, as an analyst calls it (hazard 29)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.projections.folding import fold, log
from tests.support.database import connected, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
AT = 1_700_000_000
Row = tuple[Any, ...]


@pytest.fixture
async def analyst(database: Settings) -> AsyncIterator[tuple[asyncpg.Connection[Any], datetime]]:
    """An analyst's connection, and when the second of two batches had not been recorded yet."""
    async with log(database, segments=[("n", 1), ("n", 2), ("m", 1)]) as (lane,):
        await lane.append(
            command_json(user="A@x", user_status="enter", status_change_timestamp=AT),
            command_json(user="A@x", user_status="block", status_change_timestamp=AT + 100),
            command_json(user="A@x", segment_id=2, status_change_timestamp=AT + 50),
            command_json(user="a@x", network_id="m", status_change_timestamp=AT + 60),
        )
        first = await value(database, "SELECT recorded_at FROM segments.lane")
        # Late: it says something of a time between the first two.
        await lane.append(command_json(user="a@X", user_status="reset", status_change_timestamp=AT + 200),
                          command_json(user="a@X", user_status="leave", status_change_timestamp=AT + 10))  # fmt: skip
        await fold(database)
    async with connected(database, "segments_report") as connection:
        yield connection, first


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(AT + seconds, UTC)


async def ask(connection: asyncpg.Connection[Any], **given: Any) -> list[Row]:
    named = ", ".join(f"{name} => ${n}" for n, name in enumerate(given, 1))
    found = await connection.fetch(
        f"SELECT * FROM reporting.membership_as_of({named}) ORDER BY 1, 2, 3", *given.values()
    )
    return [tuple(row) for row in found]


async def test_at_asks_what_was_true_then_as_all_know_now(analyst: Any) -> None:
    connection, _ = analyst
    one = {"network_id": "n", "segment_id": 1}
    assert await ask(connection, at=moment(-1), **one) == []
    assert await ask(connection, at=moment(0), **one) == [("n", 1, "a@x", True, None)]
    assert await ask(connection, at=moment(10), **one) == [("n", 1, "a@x", False, None)]
    assert await ask(connection, at=moment(100), **one) == [("n", 1, "a@x", False, "block")]
    assert await ask(connection, at=moment(200), **one) == [("n", 1, "a@x", False, None)]


async def test_known_at_asks_what_was_known_then(analyst: Any) -> None:
    connection, first = analyst
    one = {"network_id": "n", "segment_id": 1}
    assert await ask(connection, at=moment(10), known_at=first, **one) == [
        ("n", 1, "a@x", True, None)
    ]
    assert await ask(connection, known_at=first, **one) == [("n", 1, "a@x", False, "block")]
    assert await ask(connection, known_at=datetime(2020, 1, 1, tzinfo=UTC)) == []


async def test_filters_narrow_it_to_network_segment_and_user_however_written(analyst: Any) -> None:
    connection, _ = analyst
    every = [
        ("m", 1, "a@x", True, "add"),
        ("n", 1, "a@x", False, None),
        ("n", 2, "a@x", True, "add"),
    ]
    assert await ask(connection) == every
    assert await ask(connection, network_id="m") == every[:1]
    assert await ask(connection, segment_id=1) == every[:2]
    assert await ask(connection, user_id=" A@X\t") == every
    assert await ask(connection, user_id="a@x", network_id="n", segment_id=2) == every[2:]
    assert await ask(connection, user_id="nobody") == []
    assert await ask(connection, network_id="nowhere") == []


async def test_explicit_nulls_are_no_filters(analyst: Any) -> None:
    connection, _ = analyst
    assert len(await ask(connection, network_id=None, segment_id=None, user_id=None)) == 3
