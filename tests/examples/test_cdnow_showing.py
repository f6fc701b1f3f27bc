"""What `make run` shows can be read at any width."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from examples.cdnow.reading import Look
from examples.cdnow.showing import Screen

ROW = {
    "segment_name": "Power user",
    "user_id": "customer-01760@example.com",
    "cause": "enter",
    "reference_id": "cdnow:2:01760:1",
    "metadata": '{"cds": 7, "visits": 5, "dollars": 88.0, "purchases": 5}',
}


def shown(width: int, rows: list[dict[str, Any]], count: int) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    Screen(console).rows("reporting.membership", Look(rows, count))
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_of_a_row_is_cut_however_narrow_the_terminal_is(width: int) -> None:
    text = shown(width, [ROW, ROW], 2)
    assert "…" not in text
    for name, value in ROW.items():
        assert name in text
        assert text.count(value) >= 2


def test_rows_lie_side_by_side_where_they_fit_and_one_below_the_other_where_not() -> None:
    assert "segment_name  Power user\n" in shown(80, [ROW], 1)
    assert "segment_name  Power user\n" not in shown(200, [ROW], 1)


def test_a_few_rows_say_of_how_many_they_are() -> None:
    assert "reporting.membership (2 of 1,765 rows)\n" in shown(80, [ROW, ROW], 1765)
    assert "(none)" in shown(80, [], 0)
