"""What a batch asks the database does not depend on how many records it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.log.test_retry_origin import refuse, retried
from tests.support.lane import command_json

if TYPE_CHECKING:
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
# More than go with other lanes in one statement.
FEW, MANY = 150, 400


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what is asked."""
    statements: list[str] = []
    for name in ("fetch", "fetchrow", "fetchval", "execute"):
        original = getattr(asyncpg.Connection, name)

        def noted(self: Any, query: str, *args: Any, _original: Any = original, **more: Any) -> Any:
            statements.append(query)
            return _original(self, query, *args, **more)

        monkeypatch.setattr(asyncpg.Connection, name, noted)
    return statements


async def statements(lane: LogLane, asked: list[str], values: list[Any]) -> int:
    asked.clear()
    await lane.prepare(*values)
    return len(asked)


async def test_segments_and_people_not_remembered_are_looked_up_at_once(
    lane: LogLane, asked: list[str]
) -> None:
    few = [command_json(segment_id=100 + n, user=f"few {n}") for n in range(FEW)]
    many = [command_json(segment_id=1000 + n, user=f"many {n}") for n in range(MANY)]
    await lane.append(command_json())
    assert await statements(lane, asked, few) == await statements(lane, asked, many)


async def test_the_first_receipts_of_retries_are_looked_up_at_once(
    lane: LogLane, asked: list[str]
) -> None:
    contents = [command_json(segment_id=50, user=f"u{n}") for n in range(MANY)]
    origins = await refuse(lane, *contents)
    again = [retried(*one) for one in zip(contents, origins, strict=True)]
    assert await statements(lane, asked, again[:FEW]) == await statements(lane, asked, again)
