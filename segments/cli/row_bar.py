"""A bar on stderr that counts rows."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Iterator


class _RowBar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("the views", total=None)

    def expect(self, rows: int) -> None:
        """Begin a bar of that many rows."""
        self._progress.reset(self._task, description="", total=rows)

    def advance(self, table: str, rows: int) -> None:
        """Count rows of a table."""
        self._progress.update(self._task, advance=rows, description=table)


@contextmanager
def row_bar(*, hidden: bool) -> Iterator[_RowBar]:
    """Show a bar, unless stderr is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=hidden or not console.is_terminal) as progress:
        yield _RowBar(progress)
