"""`apply`: a network's segments, stated as a file."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segments.cli.command import Failure, actor_option, command, load_settings, network_callback
from segments.cli.database import connected
from segments.cli.output import counted, print_json, print_rows
from service.registry import segment_diff
from service.registry.segment_file import read_file
from service.runtime.errors import RegistryMovedError

if TYPE_CHECKING:
    from service.registry.segment_diff import Applied, Change

ROLE = "segments_registry"


@command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--network", callback=network_callback, help="The network, if the file names none.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show the difference and change nothing: the changes are made and rolled back.",
)
@click.option(
    "--archive-missing",
    is_flag=True,
    help="Archive segments that are not in the file. Default: only list them.",
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
    """Apply a YAML file to the registry: shows the difference, asks, and makes all changes or none.

    The file has `network`, and a list `segments` of `name`, `id`, `description`, `hidden`, `archived`. Only the name is
    required. A segment is matched by its id, or by its name if no id is given. New segments get the ids in the file;
    those without an id get the network's highest + 1. Omitted fields have their defaults: no description, not hidden,
    not archived. With --dry-run: shows the ids that new segments would get; exit 1 if the file can't be applied.
    """
    wanted = read_file(file)
    network_id = network or wanted.network
    if network_id is None or (wanted.network or network_id) != network_id:
        raise Failure("Name one network, in the file or with --network.", exit_code=2)
    settings = load_settings()
    async with connected(settings, ROLE) as connection:
        while True:
            changes = await segment_diff.difference(connection, network_id, wanted.segments)
            to_do = any(one.action != "missing" or archive_missing for one in changes)
            asking = to_do and not dry_run and not yes
            doing = partial(
                segment_diff.apply, connection, network_id, wanted.segments, changes, actor,
                archive_missing=archive_missing, most=settings.segments_per_network,
            )  # fmt: skip
            try:
                # Tried first: what can't be done is not asked for, and new segments' ids are shown.
                applied = await doing(dry_run=dry_run or asking)
                if asking or not as_json:
                    _show(applied.changes, archive_missing=archive_missing, err=as_json)
                if asking:
                    _ask()
                    applied = await doing()
                break
            except RegistryMovedError:
                # By now it is another difference than was shown. Who says --yes agrees to that one too.
                if not yes:
                    raise
    _tell(applied, dry_run=dry_run, as_json=as_json)


def _tell(applied: Applied, *, dry_run: bool, as_json: bool) -> None:
    """Tell what was done, or would be."""
    if as_json:
        told = {"difference": [asdict(one) for one in applied.changes]}
        done = {"done": 0, "would_change": applied.done} if dry_run else {"done": applied.done}
        print_json(told | done)
    else:
        what = "would change" if dry_run else "changed"
        click.echo(f"{counted(applied.done, 'segment')} {what}")


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
