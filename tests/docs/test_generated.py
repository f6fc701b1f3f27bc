"""The generated pages match the code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.docs import generated
from tests.docs.generated import DOCS, WRITE
from tests.support.database import rows

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings

HOW = f"drifted: run `{WRITE}=1 pytest tests/docs/test_generated.py`"


def compare(page: Path, wanted: str) -> None:
    found = page.read_text("utf-8") if page.exists() else ""
    if found != wanted and os.environ.get(WRITE):
        page.write_text(wanted, "utf-8")
        return
    assert found == wanted, f"{page.name} {HOW}"


def test_the_settings_page_is_that_of_the_code() -> None:
    compare(DOCS / "operators" / "settings.md", generated.settings())


def test_the_commands_page_is_what_the_command_line_takes() -> None:
    compare(DOCS / "commands.md", generated.commands())


@pytest.mark.stack
async def test_the_views_page_is_that_of_the_database(database: Settings) -> None:
    found = await rows(database, generated.COLUMNS)
    assert [row["view"] for row in found if not (row["comment"] and row["view_comment"])] == []
    compare(DOCS / "analysts" / "views.md", generated.views(found))
