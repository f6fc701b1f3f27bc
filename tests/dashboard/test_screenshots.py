"""Pictures of the pages: for docs/dashboard.md, and to be looked at after a change of the stylesheet.

SEGMENTS_WRITE_IMAGES=1 writes those of the documentation anew, SEGMENTS_WRITE_IMAGES=FOLDER all of them to a folder.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.dashboard.test_looks import LOOKS, PAGES
from tests.dashboard.world import NAMES, furnish
from tests.support.database import connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.dashboard.person import Person
    from tests.http.client import Api

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WRITE = "SEGMENTS_WRITE_IMAGES"
PLAIN_NAMES = ("Tried the new checkout", "Newsletter readers", "Winter sale 2025")
MOST_BYTES = 600 * 1024
# Of the documentation: the page and the look of each.
SHOWN = {
    "segments-light": ("segments?show=all", "light"),
    "segment-light": ("segments/1", "light"),
    "segment-dark": ("segments/1?chart=causes&list=overrides", "dark"),
    "segment-phone": ("segments/1", "phone"),
    "user-light": ("user?user=jo@example.com", "light"),
    "why-dark": ("segments/1/user?user=jo@example.com", "dark"),
    "import-phone": ("import", "phone"),
}
# Sizes that no test would publish the commands for.
MILLION = (
    "UPDATE projections.size SET members = 1000000 WHERE segment_key"
    " = (SELECT segment_key FROM segments.segment WHERE network_id = 'n' AND segment_id = 3)"
)


def test_the_pictures_of_the_documentation_are_named_and_small() -> None:
    files = {file.stem: file.stat().st_size for file in IMAGES.glob("*.png")}
    assert set(files) == set(SHOWN)
    assert sum(files.values()) <= MOST_BYTES
    page = (IMAGES.parent / "dashboard.md").read_text("utf-8")
    assert [name for name in SHOWN if f"images/{name}.png" not in page] == []


@pytest.mark.stack
@pytest.mark.parametrize("look", LOOKS)
async def test_pages_can_be_pictured(
    api: Api, sign_in: Callable[..., Any], look: str, tmp_path: Path
) -> None:
    wanted = os.environ.get(WRITE)
    names = NAMES if wanted and wanted != "1" else PLAIN_NAMES
    await furnish(api.settings, int(time.time()), names)
    async with connected(api.settings) as connection:
        await connection.execute(MILLION)
    async with sign_in(**LOOKS[look]) as person:
        for name, (path, its_look) in SHOWN.items():
            if its_look == look:
                file = (IMAGES if wanted == "1" else tmp_path) / f"{name}.png"
                await _picture(person, path, file, is_whole=False)
                assert file.stat().st_size > 0
        if wanted and wanted != "1":
            for nth, path in enumerate(PAGES):
                await _picture(person, path, Path(wanted) / f"{look}-{nth:02}.png", is_whole=True)


async def _picture(person: Person, path: str, file: Path, *, is_whole: bool) -> None:
    await person.go(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    await person.page.screenshot(path=file, full_page=is_whole, animations="disabled")
