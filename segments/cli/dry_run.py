"""`send --dry-run` and `import --dry-run`: the outcomes that commands would have; nothing is published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from projections.dry_run.dry_run import dry_run, dry_runs
from projections.dry_run.settle import DryCommand
from schemas.command.refusal import Refusal
from schemas.topics import Topics
from segments.cli.command import Failure
from segments.cli.database import connected
from segments.cli.output import print_json, print_rows
from segments.importing.files import read_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from projections.dry_run.dry_run import DryRun, Verdict
    from segments.cli.tally import Tally
    from segments.importing.files import ImportFile, Line
    from service.runtime.settings import Settings

ROLE = "segments_operate"
AT_ONCE = 500  # lines per query; neither 100 nor 2,000 were faster


async def dry_send(settings: Settings, value: bytes, *, as_json: bool) -> None:
    """Print the outcome that one valid command would have. Raises: Failure if it would be rejected."""
    async with connected(settings, ROLE) as connection:
        topic = Topics(settings.topic_prefix).commands
        verdict = await dry_run(connection, read_value(value), topic=topic)
    if as_json:
        print_json(
            {
                "outcome": verdict.outcome,
                "reason": verdict.reason,
                "before": verdict.before,
                "after": verdict.after,
            }
        )
    else:
        click.echo(f"{verdict.outcome}; nothing published")
        print_rows([{"": "before", **verdict.before}, {"": "after", **verdict.after}])
    if verdict.reason is not None:
        raise Failure(f"It would be rejected: {_why(verdict)}")


async def dry_import(settings: Settings, source: ImportFile, tally: Tally) -> None:
    """Count the outcomes that a file's lines would have if they were received now, in their order."""
    topic = Topics(settings.topic_prefix).commands
    async with connected(settings, ROLE) as connection, dry_runs(connection, topic) as run:
        block: list[tuple[int, DryCommand | Exception]] = []
        for line in tally.counted(source.lines(0)):
            block.append((line.number, _read(source, line)))
            if len(block) == AT_ONCE:
                await _count(run, block, tally)
                block = []
        await _count(run, block, tally)


def _read(source: ImportFile, line: Line) -> DryCommand | Exception:
    """Parse a line as ingest would; the dry run checks its times by the database's clock."""
    if line.value is None:
        return ValueError(line.fault)
    try:
        return DryCommand(read_value(line.value), source.key(line.number))
    except Refusal as refusal:
        return refusal


async def _count(
    run: DryRun, block: Iterable[tuple[int, DryCommand | Exception]], tally: Tally
) -> None:
    verdicts = iter(await run.predict([item for _, item in block if isinstance(item, DryCommand)]))
    for number, item in block:
        if isinstance(item, Exception):
            tally.refuse(number, str(item))
            continue
        verdict = next(verdicts)
        tally.outcomes[verdict.outcome] += 1
        if verdict.reason is not None:
            tally.refuse(number, _why(verdict))


def _why(verdict: Verdict) -> str:
    return f"{verdict.reason}: {verdict.detail}"
