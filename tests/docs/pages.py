"""The pages of the documentation, and what is in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.docs.generated import DOCS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(
    [
        *DOCS.rglob("*.md"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ]
)
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_RUN = "<!-- run -->\n"


def read(name: str) -> str:
    """Give the text of a page, named from the root of the repository."""
    return (ROOT / name).read_text("utf-8")


def blocks(text: str, language: str, *, marked: bool = False) -> list[str]:
    """List the code blocks in a language; marked: only those that say that they are run."""
    return [
        re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE)
        for match in _BLOCK.finditer(text)
        if match[2] == language and (not marked or text[: match.start()].endswith(_RUN))
    ]


def prose(text: str) -> str:
    """Give a page without its code blocks."""
    return _BLOCK.sub("", text)


def anchors(page: Path) -> set[str]:
    """List the anchors of a page's headings, as they are made on the web."""
    headings = re.findall(r"^#+ (.+)$", prose(page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
