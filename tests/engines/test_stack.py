"""On a real log: the fold of an export equals the views, row for row."""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING, Any

import pytest

from projections.engines.fold import VIEWS, fold_export
from projections.engines.with_duckdb import DuckDB
from projections.fold.worker import ROLE, fold_range, project
from service.ingest.role import ingest
from tests.engines.exported import read_rows
from tests.export.shared import export, plain
from tests.histories import history
from tests.projections.logged import put
from tests.projections.test_history import drawn_histories
from tests.support.database import GUARDED, UNGUARDED, connected, erase, folded, rows
from tests.support.kafka import publish
from tests.support.registries import make_registry
from tests.support.roles import service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import asyncpg

    from projections.engines.fold import Engine
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
PEOPLE = """
INSERT INTO segments.person (person_id, network_id, user_id, salt)
OVERRIDING SYSTEM VALUE SELECT n, 'n0', 'u' || n, 'salt' FROM generate_series(1, $1::bigint) AS n
"""
# As the service names the event of an expiry; the position in put() is made up.
NAMED = """
UPDATE segments.event AS e
SET discriminator = e.lane_id || '-' || e.kafka_offset, reference_id = 'expire:' || coalesce((
    SELECT segments.event_id(l.topic, l.partition, l.epoch, e.expired_offset)::text
    FROM segments.lane AS l WHERE l.lane_id = e.expired_lane_id
), 'none')
WHERE e.user_status = 6
"""


def _spark(work: Path) -> Engine:
    from projections.engines.with_spark import Spark  # noqa: PLC0415 - an extra

    return Spark(work, "local[2]")


ENGINES = [
    pytest.param(DuckDB, id="duckdb"),
    pytest.param(
        _spark, id="spark",
        marks=[
            pytest.mark.filterwarnings("ignore"),  # Spark's own
            pytest.mark.skipif(
                importlib.util.find_spec("pyspark") is None,
                reason="PySpark is not installed: pip install -e '.[spark]'",
            ),
        ],
    ),
]  # fmt: skip


async def equals_the_views(settings: Settings, folder: Path) -> None:
    for view in VIEWS:
        stored = [plain(row) for row in await rows(settings, f"SELECT * FROM reporting.{view}")]
        assert stored, view
        found = read_rows(folder / view)
        assert set(found[0]) == set(stored[0]), view
        assert sorted(repr(sorted(row.items())) for row in found) == sorted(
            repr(sorted(row.items())) for row in stored
        ), view


@pytest.mark.parametrize("start", ENGINES)
async def test_commands_through_the_whole_service_and_erased_people(
    settings: Settings, tmp_path: Path, start: Callable[[Path], Engine]
) -> None:
    small = settings.model_copy(update={"ingest_batch_records": 40, "project_batch_records": 30})
    await make_registry(settings, 2, 3)
    sent = history(7, int(time.time()), commands=1500, lanes=4, users=12, segments=3)
    async with service(small, ingest, project):
        await publish(settings, sent)
        await folded(settings)
    for user in ("ann@example.com", "12345"):
        assert await erase(settings, user, "acme")
    await export(settings, tmp_path / "out")
    fold_export([tmp_path / "out"], tmp_path / "folded", start, name="one")
    await equals_the_views(settings, tmp_path / "folded")


async def fold_until(connection: asyncpg.Connection[Any], share: float) -> None:
    """Fold each lane up to a share of its events, by pieces."""
    await connection.execute(f"SET ROLE {ROLE}")
    found = await connection.fetch(
        "SELECT l.lane_id, c.next_offset AS place, l.next_offset AS ends FROM segments.lane AS l"
        " INNER JOIN projections.checkpoint AS c ON l.lane_id = c.lane_id WHERE c.slot = 0"
    )
    for lane, place, ends in found:
        until = int(ends * share)
        for first in range(place, until, 30):
            async with connection.transaction():
                await fold_range(connection, 0, lane, first, min(first + 30, until))
    await connection.execute("RESET ROLE")


async def test_drawn_histories_with_ties_epochs_and_expires_of_any_event_in_two_exports(
    database: Settings, tmp_path: Path
) -> None:
    histories = drawn_histories(300)
    async with connected(database) as connection:
        await connection.execute(PEOPLE, len(histories))
        await put(connection, histories)
        await connection.execute(UNGUARDED)
        await connection.execute(NAMED)
        await connection.execute(
            "INSERT INTO segments.registry_event (segment_key, change, segment_name, is_visible, archived, changed_at)"
            " SELECT segment_key, 'created', segment_name, true, false, now() FROM segments.segment"
        )
        await connection.execute(GUARDED)
        await connection.execute("UPDATE projections.checkpoint SET next_offset = 0")
        await fold_until(connection, 0.5)
        first = await export(database, tmp_path / "one")
        await fold_until(connection, 1)
    await export(database, tmp_path / "two", since=first["snapshot"])
    fold_export([tmp_path / "one", tmp_path / "two"], tmp_path / "folded", DuckDB, name="duckdb")
    await equals_the_views(database, tmp_path / "folded")
