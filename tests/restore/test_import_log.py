"""A log that was exported in full is the same one in another database, and goes on there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from projections.restore.restore import load_log
from service.seal.folder import Folder
from service.seal.note import Signer
from tests.export.shared import Silent
from tests.projections.folding import fold, log
from tests.restore.lives import (
    AT,
    KNOWN,
    TIMED,
    exported,
    live,
    run_well,
    tables,
    views,
)
from tests.seal.conftest import ORIGIN, Site, audited
from tests.support.database import erase, folded, rows, sound, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.lane import command_json
from tests.support.roles import service
from tests.support.topics import remake_commands

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
_SHOWN = "SELECT * FROM reporting.membership_as_shown($1) ORDER BY 1, 2, 3"
_NUMBERED = """
SELECT c.relname AS of_table, a.attname AS of_column
FROM pg_attribute AS a INNER JOIN pg_class AS c ON a.attrelid = c.oid
WHERE c.relnamespace = 'segments'::regnamespace AND a.attidentity <> ''
"""


def on_the_topics_of(settings: Settings, original: Settings) -> Settings:
    """Return settings of another database on the same topics."""
    return settings.model_copy(update={"topic_prefix": original.topic_prefix})


async def test_a_copy_has_the_same_log_views_seal_and_snapshots_and_goes_on_where_it_ends(
    settings: Settings, second: Settings, tmp_path: Path
) -> None:
    signer, tiles = Signer.generate(ORIGIN), Folder(tmp_path / "log")
    tiles.path.mkdir()
    original, copy = (
        Site(one, [], signer, tiles) for one in (settings, on_the_topics_of(second, settings))
    )
    await live(settings)
    await original.seal()
    token = await value(settings, "SELECT reporting.snapshot()")
    before = await tables(settings), await views(settings), await rows(settings, _SHOWN, token)
    assert all(
        before[1][view] for view in ("event", "duplicate", "rejected", "hole", "rejected_retry")
    )

    folder = await exported(settings, tmp_path / "export")
    out = await run_well(copy.settings, "import-log", str(folder))
    assert f"{settings.topic_prefix}.commands-0: continues at offset" in out

    assert await tables(copy.settings) == before[0]
    assert await views(copy.settings) == before[1]
    assert await value(copy.settings, "SELECT reporting.snapshot()") == token
    assert await rows(copy.settings, _SHOWN, token) == before[2]
    await sound(copy.settings)
    assert await audited(copy) == []
    for one in await rows(copy.settings, _NUMBERED):
        highest, following = (await rows(copy.settings, "SELECT max({of_column}) AS highest,"
            " nextval(pg_get_serial_sequence('segments.{of_table}', '{of_column}')) AS following"
            " FROM segments.{of_table}".format_map(one)))[0].values()  # fmt: skip
        assert following > (highest or 0), one

    # Records that the original reads, too, go on in the copy; what they repeat is known.
    events = len(before[1]["event"])
    async with service(copy.settings):
        await publish(
            settings,
            [NewRecord(lane=lane, user=f"next {lane}") for lane in range(4)]
            + [KNOWN, TIMED, NewRecord(lane=0, user="erased:1")],
        )
        await until(copy.settings, "SELECT count(*) FROM segments.event", lambda n: n == events + 4)
        await folded(copy.settings)
    assert len((await views(copy.settings))["duplicate"]) == len(before[1]["duplicate"]) + 2
    assert await rows(copy.settings, _SHOWN, token) == before[2]
    assert await erase(copy.settings, "next 1") > 1
    await sound(copy.settings)
    await copy.seal()
    assert await audited(copy) == []
    assert copy.checkpoint().size > len(before[1]["event"])


async def test_a_copy_beside_another_kafka_stops_its_lanes_until_they_are_adopted(
    settings: Settings, second: Settings, tmp_path: Path
) -> None:
    copy = on_the_topics_of(second, settings)
    await live(settings)
    await run_well(copy, "import-log", str(await exported(settings, tmp_path / "export")))
    await remake_commands(settings)  # as in another Kafka: of the same name, with another id
    async with service(copy):
        await until(
            copy,
            "SELECT count(*) FROM segments.lane WHERE NOT closed AND stopped_because LIKE '%remade%'",
        )
        await run_well(copy, "lane", "adopt", "--all", "--reason", "moved")
        await publish(settings, [NewRecord(lane=0, user="there")])
        await until(copy, "SELECT count(*) FROM reporting.membership WHERE user_id = 'there'")
    await sound(copy)


@pytest.mark.parametrize("ending", ["a rebuild", "the workers"])
async def test_an_import_that_was_interrupted_before_the_views_is_ended_by(
    database: Settings, second: Settings, tmp_path: Path, ending: str
) -> None:
    async with log(database) as (lane,):
        await lane.append(
            command_json(user="late", status_change_timestamp=AT),
            command_json(user="late", status_change_timestamp=AT - 10, user_status="block"),
        )
        await fold(database)
    await load_log(second, await exported(database, tmp_path / "export"), Silent())
    assert (await views(second))["user_segment"] == []
    if ending == "a rebuild":
        await run_well(second, "rebuild")
    else:
        await fold(second)
    assert await views(second) == await views(database)
    await sound(second)
