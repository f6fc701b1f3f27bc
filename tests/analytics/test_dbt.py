"""The dbt project makes of the views, by increments or at once, and of an export, what the views show."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.analytics.warehouse import PROJECT, TILES, forget, on_export, on_postgres
from tests.conftest import _cloned
from tests.export.shared import export
from tests.projections.folding import fold, log
from tests.support.database import connected, erase, rows, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings
    from stack import Stack
    from tests.analytics.warehouse import Dbt
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
BEGAN = 1_700_000_000
HOUR = 3600
DAILY = "network_id, segment_id, day, members, members_joined, members_left"
SEGMENTS = [("acme", 1), ("acme", 2), ("other", 1), ("other", 2)]
ONLY_IN_POSTGRES = "agg_segment_daily_version"
RESTATED = """
SELECT network_id, segment_id, day FROM analytics.agg_segment_daily_version
WHERE day < '2024-06-01' GROUP BY network_id, segment_id, day HAVING count(*) > 1
"""
WRONG = (
    """
    UPDATE analytics.fct_membership_interval SET valid_to = valid_to + interval '1 hour', is_member = NOT is_member
    WHERE event_id = (SELECT min(event_id) FROM analytics.fct_membership_interval
        WHERE valid_from < '2023-12-01' AND valid_to > '2023-12-02')
    """,
    """
    UPDATE analytics.fct_membership_interval SET is_member = NOT is_member WHERE event_id = (
        SELECT min(event_id) FROM analytics.fct_membership_interval WHERE is_current AND override IS NULL)
    """,
    """
    UPDATE analytics.agg_segment_daily SET members_joined = members_joined + 1 WHERE day = (
        SELECT min(day) FROM analytics.agg_segment_daily)
    """,
    """
    INSERT INTO analytics.agg_segment_daily_version
    SELECT segment_key, network_id, segment_id, day, members_joined + 1, members_left, snapshot, read_until,
        read_at + interval '1 hour'
    FROM analytics.agg_segment_daily_version ORDER BY day LIMIT 1
    """,
)
STATUSES = ("enter", "add", "leave", "block", "enter", "reset", "leave")
INTERVAL = (
    "event_id::text, network_id, segment_id, user_id, valid_from, valid_to, is_current, is_member, override, cause,"
    " reference_id, last_recorded_at"
)
EVENT = (
    "event_id::text, network_id, segment_id, user_id, user_status, status_change_timestamp, time_given, reference_id,"
    " expires_at, received_at, recorded_at, kafka_topic, kafka_partition, kafka_epoch, kafka_offset, source, actor,"
    " description"
)


def history(count: int, users: int = 12) -> list[bytes]:
    """Make commands over some months, in three segments, each by another path through the fold; some in one second."""
    return [
        command_json(
            network_id="other" if number % 7 == 6 else "acme",
            segment_id=1 + number % 2,
            user=f"u{number * 5 % users}@x.com",
            user_status=STATUSES[(number + number // users) % len(STATUSES)],
            status_change_timestamp=BEGAN + number * 5 // 2 * 7 * HOUR,
            reference_id=f"r{number}",
            metadata={"n": number},
        )
        for number in range(count)
    ]


async def differences(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Compare the tables of the warehouse with views, both ways."""
    compared = {
        "fct_membership_interval": ("membership_history", INTERVAL),
        "fct_event": ("event", EVENT),
        "agg_segment_daily": ("segment_size_daily", DAILY),
    }
    return {
        table: await rows(
            settings,
            f"(SELECT {columns} FROM analytics.{table} EXCEPT ALL SELECT {columns} FROM reporting.{view}) UNION ALL"
            f" (SELECT {columns} FROM reporting.{view} EXCEPT ALL SELECT {columns} FROM analytics.{table})",
        )
        for table, (view, columns) in compared.items()
    }


async def put(lanes: list[LogLane], values: list[bytes]) -> None:
    """Append and fold; then all of it is final, as if ingest had looked at each lane since."""
    for place, lane in enumerate(lanes):
        await lane.append(*values[place::2])
    await fold(lanes[0].settings)
    async with connected(lanes[0].settings) as connection:
        await connection.execute(
            "UPDATE projections.checkpoint SET recorded_until = clock_timestamp()"
        )


@dataclass
class Story:
    """What dbt made of a log, of an export of it, of what was added late and erased, and of wrong rows."""

    freshness: dict[int, str]
    first: dict[str, list[dict[str, Any]]]
    tiles: dict[str, tuple[list[Any], list[Any]]]
    described: set[tuple[str, str]]
    columns: set[tuple[str, str]]
    increment: dict[str, list[dict[str, Any]]]
    read_again: set[tuple[Any, ...]]
    erased: str
    restated: list[dict[str, Any]]
    failed: set[str]


@pytest.fixture(scope="module")
def story(stack: Stack, template: str, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """One story for all tests, because dbt reads a project for many seconds."""
    return asyncio.run(tell(stack, template, tmp_path_factory.mktemp("dbt")))


async def tell(stack: Stack, template: str, folder: Path) -> Story:
    async with _cloned(stack, template) as settings:
        dbt = await on_postgres(settings, folder / "postgres")
        try:
            async with log(settings, lanes=2, segments=SEGMENTS) as lanes:
                return await _tell(settings, lanes, dbt, folder)
        finally:
            await forget(settings, dbt)


async def _tell(settings: Settings, lanes: list[LogLane], dbt: Dbt, folder: Path) -> Story:
    await put(lanes, history(120))
    freshness = {minutes: await is_fresh(settings, dbt, minutes) for minutes in (1, 30, 300)}
    dbt.run("build")
    first = await differences(settings)
    await export(settings, folder / "export")
    parquet = on_export(folder / "export", folder / "parquet")
    parquet.run("build")
    tiles, columns = await read_warehouses(settings, folder / "parquet/segments.duckdb")
    read_at = await value(settings, "SELECT max(read_at) FROM analytics.fct_membership_interval")
    known = await value(settings, "SELECT clock_timestamp()")
    erased = await erase(settings, "u10@x.com", "acme")
    await put(
        lanes,
        [
            # Late: u5, who was added an hour before, left on a day that was over.
            command_json(
                network_id="acme", segment_id=2, user="u5@x.com", user_status="block",
                status_change_timestamp=BEGAN + 15 * HOUR,
            ),
            command_json(network_id="acme", segment_id=2, user="new@x.com"),
        ],
    )  # fmt: skip
    dbt.environment |= {
        "SEGMENTS_TEST_AT": datetime.fromtimestamp(BEGAN + 400 * HOUR, UTC).isoformat(),
        "SEGMENTS_TEST_KNOWN_AT": known.isoformat(),
    }
    dbt.run("build")
    increment = await differences(settings)
    again = await rows(
        settings,
        "SELECT DISTINCT network_id, segment_id, user_id FROM analytics.fct_membership_interval WHERE read_at > $1",
        read_at,
    )
    restated = await rows(settings, RESTATED)
    async with connected(settings) as connection:
        for statement in WRONG:
            await connection.execute(statement)
    dbt.run("test", code=1)
    return Story(
        freshness, first, tiles, parquet.described(), columns, increment, {tuple(row.values()) for row in again},
        f"erased:{erased}", restated,
        {
            result["unique_id"].split(".")[2]
            for result in dbt.artefact("run_results.json")["results"] if result["status"] == "fail"
        },
    )  # fmt: skip


async def is_fresh(settings: Settings, dbt: Dbt, minutes: int) -> str:
    """What dbt says if the views are complete until some minutes ago."""
    async with connected(settings) as connection:
        await connection.execute(
            "UPDATE projections.checkpoint SET complete_until = now() - make_interval(mins => $1)",
            minutes,
        )
    dbt.run("source freshness --select source:segments.watermark", code=1 if minutes == 300 else 0)
    (told,) = dbt.artefact("sources.json")["results"]
    return str(told["status"])


async def read_warehouses(
    settings: Settings, file: Path
) -> tuple[dict[str, tuple[list[Any], list[Any]]], set[tuple[str, str]]]:
    """The rows of each tile in Postgres and in DuckDB; the columns in DuckDB."""
    with duckdb.connect(str(file), read_only=True) as files:
        files.execute("SET TimeZone = 'UTC'")
        tiles = {}
        for tile in TILES:
            text = tile.read_text("utf-8")
            of_postgres = [tuple(row.values()) for row in await rows(settings, text)]
            tiles[tile.stem] = (of_postgres, files.execute(text).fetchall())
        found = files.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'analytics'"
        )
        return tiles, set(found.fetchall())


def test_freshness_is_that_of_the_watermark(story: Story) -> None:
    assert story.freshness == {1: "pass", 30: "warn", 300: "error"}


def test_the_first_load_is_what_the_views_show(story: Story) -> None:
    assert len(story.first) == 3
    assert not any(story.first.values())


def test_an_export_gives_the_same_tiles_as_postgres(story: Story) -> None:
    assert len(story.tiles) == 8
    for tile, (of_postgres, of_export) in story.tiles.items():
        assert of_postgres == of_export != [], tile


def test_every_column_is_described(story: Story) -> None:
    assert story.columns
    assert {one for one in story.described if one[0] != ONLY_IN_POSTGRES} == story.columns


def test_an_increment_has_what_came_late_and_names_nobody_who_was_erased(story: Story) -> None:
    assert not any(story.increment.values())


def test_an_increment_reads_the_keys_that_changed_and_no_others(story: Story) -> None:
    assert story.read_again == {
        ("acme", 2, "u5@x.com"),
        ("acme", 2, "new@x.com"),
        ("acme", 1, story.erased),
    }


def test_a_day_that_was_restated_keeps_what_was_shown_before(story: Story) -> None:
    restated = [tuple(map(str, row.values())) for row in story.restated]
    assert restated == [("acme", "2", "2023-11-15")]


def test_each_test_of_the_project_fails_if_rows_are_wrong(story: Story) -> None:
    assert story.failed == {path.stem for path in (PROJECT / "tests").glob("*.sql")}
