"""`export`: the log and the views as Parquet."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from projections.export.exporter import Exporter, Request
from projections.export.journal import Folder
from segments.cli.command import command, load_settings, network_callback
from segments.cli.database import connected, note_access, note_unknown_network
from segments.cli.output import counted, print_json
from service.runtime.errors import WrongUseError

ROLE = "segments_operate"


class _Bar:
    """Shows on stderr how far an export is."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("the views", total=None)

    def expect(self, rows: int) -> None:
        """Show a bar of the log."""
        self._progress.reset(self._task, description="the log", total=rows)

    def advance(self, table: str, rows: int) -> None:
        """Show the rows of a table."""
        self._progress.update(self._task, advance=rows, description=table)


@command()
@click.option(
    "--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write; new, empty, or of an export that was interrupted.",
)  # fmt: skip
@click.option("--network", callback=network_callback, help="Only this network.")
@click.option(
    "--since", help="Only what was recorded after this snapshot, that of an earlier export."
)
@click.option(
    "--full", is_flag=True, help="Add what a restore needs: people, salts, raw bytes; as personal/."
)
async def export(
    *, folder: Path, network: str | None, since: str | None, full: bool, as_json: bool
) -> None:
    """Export the log and the views to a folder, as Parquet with a manifest.

    Everything in it is as of one snapshot, which the manifest names and --since takes. The same command continues an
    export that was interrupted.
    """
    if full and (network or since):
        raise WrongUseError(
            "--full can't be combined with --network or --since: a restore needs the whole log."
        )
    settings = load_settings()
    request = Request(network, since, full)
    target = Folder(folder, {"network": network, "since": since, "full": full})
    async with connected(settings, ROLE) as connection:
        await note_access(connection, "export", network)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, disable=as_json or not console.is_terminal
    ) as progress:
        exporter = Exporter(
            lambda isolation: connected(settings, ROLE, isolation), target, request, _Bar(progress)
        )
        manifest = await exporter.run()
    rows = {name: table["rows"] for name, table in manifest["tables"].items()}
    if as_json:
        print_json({"snapshot": manifest["snapshot"], "folder": str(folder), "rows": rows})
        return
    for name, count in rows.items():
        if not name.startswith("personal/"):
            click.echo(f"{name}: {counted(count, 'row')}")
    click.echo(f"snapshot: {manifest['snapshot']}")
    if network is not None and not rows["registry"]:
        async with connected(settings, ROLE) as connection:
            await note_unknown_network(connection, network, ())
