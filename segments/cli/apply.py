"""`apply`: a network's segments from a file."""

from __future__ import annotations

import json
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
@click.option(
    "--network", callback=network_callback, help="The network (tenant), if the file names none."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show the difference and change nothing.",
)
@click.option(
    "--archive-missing",
    is_flag=True,
    help="Archive the segments that are not in the file. Without it they are only listed.",
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
    """Change a network's segments to the state in a YAML file.

    The command shows the difference, asks for confirmation, and makes all of the changes or none.

    The file has `network`, and a list `segments` of `name`, `id`, `description`, `hidden`, `archived`; only `name` is
    required. A segment is found by its id, or by its name where no id is given. A new segment gets the id in the file,
    else the network's highest + 1. A field that is left out has its default: no description, not hidden, not archived.
    With --dry-run the command shows the ids that new segments would get, and exits 1 if the changes are not possible.
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
                # A dry run first: it fails early if a change is not possible, and shows the ids of new segments.
                applied = await doing(dry_run=dry_run or asking)
                if asking or not as_json:
                    _show(applied.changes, archive_missing=archive_missing, err=as_json)
                if asking:
                    _ask()
                    applied = await doing()
                break
            except RegistryMovedError:
                # The difference has changed in the meantime. --yes confirms that one too.
                if not yes:
                    raise
    _print(applied, dry_run=dry_run, as_json=as_json)


def _print(applied: Applied, *, dry_run: bool, as_json: bool) -> None:
    """Print the number of changes."""
    if as_json:
        printed = {"difference": [asdict(one) for one in applied.changes]}
        done = {"done": 0, "would_change": applied.done} if dry_run else {"done": applied.done}
        print_json(printed | done)
    else:
        what = "would change" if dry_run else "changed"
        click.echo(f"{counted(applied.done, 'segment')} {what}")


def _ask() -> None:
    """Ask for confirmation. Raises: Failure if the answer is no, or stdin is not a terminal."""
    if not sys.stdin.isatty():
        raise Failure(
            "Nothing was changed. Without a terminal to confirm on, --yes is required.", exit_code=2
        )
    if not click.confirm("Make these changes?", err=True):
        raise Failure("Nothing was changed.")


def _show(changes: list[Change], *, archive_missing: bool, err: bool) -> None:
    """Show the difference. err: on stderr, because stdout is for JSON."""
    rows = [_row(one, archive_missing=archive_missing) for one in changes]
    if rows:
        print_rows(rows, err=err)
    else:
        click.echo("no difference")


def _row(one: Change, *, archive_missing: bool) -> dict[str, Any]:
    before, after = one.before or {}, one.after or {}
    if one.action == "missing":
        what = "archive: not in the file" if archive_missing else "not in the file; unchanged"
    else:
        what = "; ".join(
            f"{name}: {_json(before.get(name))} -> {_json(value)}"
            if before
            else f"{name}: {_json(value)}"
            for name, value in after.items()
            if before.get(name) != value
        )
    return {
        "action": one.action,
        "segment_id": one.segment_id,
        "name": (after or before)["name"],
        "what": what,
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
