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
