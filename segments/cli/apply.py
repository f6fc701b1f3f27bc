"""`apply`: a network's segments, stated as a file."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segments.cli.main import main
from segments.cli.options import network_callback
from segments.cli.output import (
    Failure,
    actor_option,
    command,
    connected,
    counted,
    load_settings,
    print_json,
    print_rows,
)
from service import registry_file
from service.errors import RegistryMovedError

if TYPE_CHECKING:
    from service.registry_file import Change

ROLE = "segments_registry"


@command(main)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--network", callback=network_callback, help="The tenant, if the file names none.")
@click.option("--yes", is_flag=True, help="Don't ask before anything is changed.")
@click.option("--dry-run", is_flag=True, help="Show the difference, change nothing.")
@click.option(
    "--archive-missing",
    is_flag=True,
    help="Archive segments that the file does not state; else they are only told.",
)
@actor_option
async def apply(
    *,
    file: Path,
    network: str | None,
    yes: bool,
    dry_run: bool,
    archive_missing: bool,
    actor: str | None,
    as_json: bool,
) -> None:
    """Make the registry say what a YAML file says: shows the difference, asks, and does all of it or nothing.

    The file: `network`, and a list `segments` of `name`, `id`, `description`, `hidden`, `archived`; only the name
    has to be there. A segment is found by its id, or by its name where no id is given; new ones get the ids that the
    file gives, then the others the network's highest + 1. What a line leaves out is at its default: no description,
    neither hidden nor archived.
    """
    wanted = registry_file.read_file(file)
    network_id = network or wanted.network
    if network_id is None or (wanted.network or network_id) != network_id:
        raise Failure("Name one network, in the file or with --network.", exit_code=2)
    done: list[Change] = []
    async with connected(load_settings(), ROLE) as connection:
        while True:
            changes = await registry_file.difference(connection, network_id, wanted.segments)
            to_do = any(one.action != "missing" or archive_missing for one in changes)
            asking = to_do and not dry_run and not yes
            if asking or not as_json:
                _show(changes, archive_missing=archive_missing, err=as_json)
            if dry_run or not to_do:
                break
            if asking:
                _ask()
            try:
                done = await registry_file.apply(
                    connection, network_id, wanted.segments, changes, actor,
                    archive_missing=archive_missing,
                )  # fmt: skip
                break
            except RegistryMovedError:
                # By now it is another difference than was shown. Who says --yes agrees to that one too.
                if not yes:
                    raise
    if as_json:
        print_json({"difference": [asdict(one) for one in changes], "done": len(done)})
    else:
        click.echo(f"{counted(len(done), 'segment')} changed")


def _ask() -> None:
    """Ask whether to do it. Raises: Failure, where the answer is no, or there is nobody to ask."""
    if not sys.stdin.isatty():
        raise Failure("Nothing was changed: say --yes, or ask on a terminal.", exit_code=2)
    if not click.confirm("Do it?", err=True):
        raise Failure("Nothing was changed.")


def _show(changes: list[Change], *, archive_missing: bool, err: bool) -> None:
    """Show the difference. err: on stderr, where stdout is for JSON alone."""
    rows = [_row(one, archive_missing=archive_missing) for one in changes]
    if rows:
        print_rows(rows, err=err)
    else:
        click.echo("the registry says what the file says")


def _row(one: Change, *, archive_missing: bool) -> dict[str, Any]:
    before, after = one.before or {}, one.after or {}
    if one.action == "missing":
        what = (
            "archive: the file does not state it"
            if archive_missing
            else "not in the file; left as it is"
        )
    else:
        what = "; ".join(
            f"{name}: {before.get(name)!r} -> {value!r}" if before else f"{name}: {value!r}"
            for name, value in after.items()
            if before.get(name) != value
        )
    return {
        "action": one.action,
        "segment_id": one.segment_id,
        "name": (after or before)["name"],
        "what": what,
    }
