"""`drill`: rehearses what an operator must be able to do in an emergency."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projections.operations.drill import drill_restore
from segments.cli.command import KAFKA, Failure, command, load_settings
from segments.cli.output import counted, plain, print_json, print_rows
from service.runtime.environment import database_url_fault
from service.runtime.errors import WrongUseError
from service.runtime.secret import SecretStr

if TYPE_CHECKING:
    from projections.operations.drill import Drill

LANES = ("topic", "partition", "epoch", "next_offset", "end_offset", "behind", "lost")


@click.group()
def drill() -> None:
    """Rehearse a restore, without touching what runs."""


def _url(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if fault := database_url_fault(SecretStr(value)):
        raise click.BadParameter(fault)
    return value


@command(drill, needs=("setup_database_url", *KAFKA), instead={"--dump": KAFKA})
@click.option(
    "--to", "copy_url", required=True, callback=_url,
    help="URL of an empty database, with a login that may create roles. Leave its password to PGPASSWORD or ~/.pgpass.",
)  # fmt: skip
@click.option(
    "--dump", "file", type=click.Path(dir_okay=False, path_type=Path),
    help="Restore this file of pg_dump (custom format). Default: a new dump, which is removed afterwards.",
)  # fmt: skip
@click.option(
    "--restored", is_flag=True,
    help="Restore nothing: --to is a copy already, for example of a base backup. Only check it.",
)  # fmt: skip
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True,
    help="Connections that restore at once.",
)  # fmt: skip
async def restore(
    *, copy_url: str, file: Path | None, restored: bool, jobs: int, as_json: bool
) -> None:
    """Restore a copy into another database, check it, and report the time of each step.

    The checks are those of verify and audit, and whether Kafka still has what the copy would read again. Nothing is
    written to the source or to Kafka, and no process runs on the copy. The exit code is 0 only if everything holds.
    """
    if restored and file is not None:
        raise WrongUseError("(--restored restores nothing: omit --dump.)")
    done = await drill_restore(
        load_settings(), copy_url, file=file, is_restored=restored, jobs=jobs,
        report=lambda step: None if as_json else click.echo(f"{step} …", err=True),
    )  # fmt: skip
    if as_json:
        print_json(asdict(done) | {"held": done.held})
    else:
        _print(done)
    if failed := [step for step in done.steps if step.faults]:
        why = ", ".join(f"{step.name} ({counted(len(step.faults), 'fault')})" for step in failed)
        raise Failure(f"The drill failed: {why}")


def _print(done: Drill) -> None:
    print_rows(
        {
            "step": step.name,
            "seconds": f"{step.seconds:.1f}",
            "result": "failed" if step.faults else "held",
            "detail": step.said,
        }
        for step in done.steps
    )
    if faults := [{"step": step.name, **fault} for step in done.steps for fault in step.faults]:
        click.echo()
        print_rows(faults)
    click.echo()
    print_rows(done.lanes, LANES)
    until = "not known" if done.complete_until is None else plain(done.complete_until)
    click.echo(f"the copy is complete until: {until}")
    for warning in done.warnings:
        click.echo(f"warning: {warning}")
    click.echo(f"Drop {done.copy} when you no longer need it: it holds personal data.")
