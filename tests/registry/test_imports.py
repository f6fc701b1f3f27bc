"""Files that are imported on the dashboard: how long and how many are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from service.registry import imports
from tests.support.database import connected

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
MOST = 20


async def test_a_network_keeps_its_newest_files_and_nobody_elses_go(database: Settings) -> None:
    async with connected(database, "segments_api") as connection:

        async def upload(network: str, name: str) -> str:
            return await imports.create(
                connection, network_id=network, key_name="k", file_name=name, content=b"x", options={}
            )  # fmt: skip

        other = await upload("m", "theirs")
        made = [await upload("n", str(number)) for number in range(MOST + 2)]
        kept = [row["import_id"] for row in await imports.newest(connection, "n", MOST + 2)]
        assert kept == made[:1:-1]
        assert await imports.find(connection, "m", other) is not None


async def test_a_file_that_is_partly_sent_outlives_newer_ones_and_a_finished_one_stays_so(
    database: Settings,
) -> None:
    async with connected(database, "segments_api") as connection:

        async def upload() -> str:
            return await imports.create(
                connection, network_id="n", key_name="k", file_name="f", content=b"x", options={}
            )

        made = [await upload() for _ in range(3)]
        for import_id in made[:2]:
            one = await imports.find(connection, "n", import_id)
            assert one is not None
            await imports.change(connection, one, {}, {})
            await imports.start(connection, one)
            # Two requests send the same lines, and the slower one did not come to the end.
            for is_end in (True, False) if import_id == made[0] else (False,):
                await imports.move(connection, one, [], 1, is_end=is_end)
        finished = await imports.find(connection, "n", made[0])
        assert finished is not None
        assert finished.finished_at is not None
        newer = [await upload() for _ in range(MOST)]
        kept = {row["import_id"] for row in await imports.newest(connection, "n", MOST + 3)}
        assert kept == {made[1], *newer[1:]}


async def test_a_file_is_gone_a_day_after_its_upload(database: Settings) -> None:
    async with connected(database) as owner:
        old = await imports.create(
            owner, network_id="n", key_name="k", file_name="f", content=b"x", options={}
        )
        await owner.execute("UPDATE segments.import SET created_at = now() - interval '25 hours'")
        await imports.create(
            owner, network_id="m", key_name="k", file_name="f", content=b"x", options={}
        )
        assert await imports.find(owner, "n", old) is None
