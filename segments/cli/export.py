"""`export`: the log and the views as Parquet."""

from __future__ import annotations

from pathlib import Path

import click

from projections.export.copying import return_memory
from projections.export.exporter import Exporter, Request
from projections.export.journal import Folder
from segments.cli.command import command, load_settings, network_callback
from segments.cli.database import connected, note_access, note_unknown_network
from segments.cli.output import counted, print_json
from segments.cli.row_bar import row_bar
from service.runtime.errors import WrongUseError

ROLE = "segments_operate"


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
    return_memory()
    settings = load_settings()
    request = Request(network, since, full)
    with Folder(folder, {"network": network, "since": since, "full": full}) as target:
        async with connected(settings, ROLE) as connection:
            await note_access(connection, "export", network)
        with row_bar(hidden=as_json) as bar:
            exporter = Exporter(
                lambda isolation: connected(settings, ROLE, isolation), target, request, bar
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
