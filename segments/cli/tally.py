"""The counts of an import, and its progress bar."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress, TaskID

from segments.cli.command import Failure
from segments.cli.output import counted, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segments.importing.files import ImportFile, Line
    from segments.importing.files import Progress as Noted

MOST_ERRORS = 10_000  # kept for the report, because every line of a file may be wrong
SHOWN = 100
_AGAIN = "Lines that were imported before are published again, as duplicates; --dry-run counts them in advance."


class Tally:
    """Counts lines, and keeps the first errors. outcomes: of the valid lines of a dry run, else empty.

    interrupted: lines that were published before the interruption of a resumed import.
    """

    def __init__(self, progress: Progress, bar: TaskID) -> None:
        self._progress, self._bar = progress, bar
        self.lines = self.published = self.interrupted = self.refused = 0
        self.outcomes: Counter[str] = Counter()
        self.errors: list[dict[str, Any]] = []

    def done(self) -> dict[str, Any]:
        """Return the counts so far, for the stored progress."""
        published = self.interrupted + self.published
        return {
            "lines": self.lines,
            "published": published,
            "refused": self.refused,
            "errors": self.errors,
        }

    def resume(self, done: Mapping[str, Any]) -> None:
        """Add the counts of the stored progress, if there is one."""
        if done:
            self.lines, self.interrupted = done["lines"], done["published"]
            self.refused, self.errors = done["refused"], done["errors"]

    def counted(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Pass lines on, and update the progress bar."""
        for line in lines:
            self._progress.update(self._bar, completed=line.end)
            self.lines += 1
            yield line

    def refuse(self, number: int, error: str) -> None:
        """Count a refused line, and keep its error."""
        self.refused += 1
        if self.refused <= MOST_ERRORS:
            self.errors.append({"line": number, "error": error})

    def print(self, *, dry_run: bool, as_json: bool) -> None:
        """Print the report. Raises: Failure if a line was refused."""
        if as_json:
            counts = {
                "lines": self.lines, "published": self.published,
                "published_before_interruption": self.interrupted, "refused": self.refused,
            }  # fmt: skip
            outcomes = {"outcomes": dict(self.outcomes)} if dry_run else {}
            print_json({**counts, **outcomes, "errors": self.errors})
        else:
            for one in self.errors[:SHOWN]:
                click.echo(f"line {one['line']}: {one['error']}", err=True)
            for outcome, count in self.outcomes.most_common():
                click.echo(f"{count} {outcome}")
            lines = counted(self.lines, "line")
            before = f"{self.interrupted} before the interruption, " if self.interrupted else ""
            click.echo(f"{lines}, {self.published} published, {before}{self.refused} refused")
            if self.published:
                click.echo(_AGAIN, err=True)
        if self.refused:
            raise Failure(self._refused(dry_run=dry_run))

    def _refused(self, *, dry_run: bool) -> str:
        lines, one = counted(self.refused, "line"), self.refused == 1
        if dry_run:
            return f"{lines} would be refused."
        # A corrected file is another file: its lines have other idempotency keys.
        return (
            f"{lines} {'was' if one else 'were'} refused. Correct {'it' if one else 'them'} in a separate file and"
            " import that. If you correct this file and import it again, its other lines count again, unless they"
            " have a time (best with a reference_id)."
        )


@contextmanager
def tallied(source: ImportFile, *, shown: bool) -> Iterator[Tally]:
    """Count a file's lines, with a progress bar on stderr if it is to be shown."""
    with Progress(console=Console(stderr=True), disable=not shown) as progress:
        bar = progress.add_task(source.name, total=source.size)
        yield Tally(progress, bar)
        # Trailing blank lines were not counted, and characters were counted as bytes.
        progress.update(bar, completed=source.size)


@contextmanager
def resumable(noted: Noted) -> Iterator[None]:
    """Print the progress, and how to resume, if the import is interrupted."""
    try:
        yield
    except asyncio.CancelledError:
        click.echo(_how_to_resume(noted), err=True)
        raise


def _how_to_resume(noted: Noted) -> str:
    line, done = noted.noted()
    if not line:
        return (
            "Interrupted before any progress was stored. The same command starts again, and lines that were published"
            " already count once."
        )
    refused = f", {done['refused']} refused" if done["refused"] else ""
    return (
        f"Interrupted: {counted(done['published'], 'line')} published{refused}, up to line {line}, as stored in"
        f" {noted.path}. The same command resumes after it, and lines that were published already count once."
    )
