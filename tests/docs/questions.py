"""The questions page: its SQL stands nowhere else, and tests and benchmarks read it from there."""

from __future__ import annotations

from tests.docs.pages import blocks, read

PAGE = "docs/analysts/questions.md"


def read_questions() -> dict[str, str]:
    """Return the SQL of each question, by its heading, in the order of the page."""
    _, *parts = read(PAGE).split("\n## ")
    found = {}
    for part in parts:
        heading, _, text = part.partition("\n")
        (found[heading],) = blocks(text, "sql")
    return found
