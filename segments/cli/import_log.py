"""`import-log`: the log of a full export, into an empty database."""

from __future__ import annotations

from pathlib import Path

import click

from projections.export.copying import return_memory
from projections.restore.restore import load_log, restore
from segments.cli.command import command, load_settings
from segments.cli.output import counted, print_json
from segments.cli.row_bar import row_bar


@command(name="import-log")
@click.argument("folder", metavar="EXPORT", type=click.Path(file_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check the export and the database; load nothing.")
async def import_log(*, folder: Path, dry_run: bool, as_json: bool) -> None:
    """Load the log of an export into an empty database, and rebuild the views.

    EXPORT is a folder that `export --full` wrote. The database is one that `setup` made and no process has used yet.
    All of the log is loaded, or nothing.
    """
    return_memory()
    with row_bar(hidden=as_json) as bar:
        if dry_run:
            export = await load_log(load_settings(), folder, bar, dry_run=True)
        else:
            export = await restore(load_settings(), folder, bar)
    rows = {table: part.rows for table, part in export.parts.items()}
    if as_json:
        print_json({"dry_run": dry_run, "snapshot": export.manifest["snapshot"], "rows": rows})
        return
    for table, count in rows.items():
        click.echo(f"{table}: {counted(count, 'row')}")
    for lane in export.manifest["lanes"]:
        click.echo(
            f"{lane['topic']}-{lane['partition']}: continues at offset {lane['log_position']}"
        )
    if dry_run:
        click.echo("dry run: nothing was loaded")
