"""The pages of queries to copy: their SQL stands nowhere else, and tests and benchmarks read it from there."""

from __future__ import annotations

from tests.docs.pages import blocks, read

QUESTIONS = "docs/analysts/questions.md"
LARGE_SEGMENTS = "docs/analysts/large-segments.md"


def read_queries(page: str) -> dict[str, str]:
    """Return the query under each heading of a page, in order."""
    _, *parts = read(page).split("\n## ")
    found = {}
    for part in parts:
        heading, _, text = part.partition("\n")
        (found[heading],) = blocks(text, "sql")
    return found
