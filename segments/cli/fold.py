"""`fold`: the fold of an export, without Postgres."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projections.engines.fold import VIEWS, fold_export
from segments.cli.command import Failure, command
from segments.cli.output import counted, print_json
from service.runtime.errors import WrongUseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from projections.engines.fold import Engine


@command(needs=())
@click.argument(
    "exports", metavar="EXPORT...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", help="What folds it. Default: duckdb."
)  # fmt: skip
@click.option(
    "--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write; new or empty.",
)  # fmt: skip
@click.option("--master", help="Spark's cluster, such as local[2] or spark://host:7077.")
async def fold(
    *, exports: tuple[Path, ...], engine: str, folder: Path, master: str | None, as_json: bool
) -> None:
    """Fold an export to membership, override, membership_history and result, as Parquet.

    EXPORT is the folder of a whole export, followed by those of its increments (export --since), the oldest first. The
    rows are those of the views at the last snapshot. Postgres is not needed.
    """
    if master is not None and engine != "spark":
        raise WrongUseError("--master is for --engine spark.")
    manifest = fold_export(
        exports, folder, _start(engine, master), name=engine,
        report=lambda view: None if as_json else click.echo(f"{view} …", err=True),
    )  # fmt: skip
    if as_json:
        print_json(manifest | {"folder": str(folder)})
        return
    for view in VIEWS:
        click.echo(f"{view}: {counted(manifest['rows'][view], 'row')}")
    click.echo(f"snapshot: {manifest['snapshot']}")


def _start(engine: str, master: str | None) -> Callable[[Path], Engine]:
    """Import an engine, of which each is a dependency of its own."""
    try:
        if engine == "spark":
            from projections.engines.with_spark import Spark  # noqa: PLC0415

            return functools.partial(Spark, master=master)
        from projections.engines.with_duckdb import DuckDB  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Failure(
            f"{error.name} is not installed: pip install 'segments[{engine}]'."
        ) from error
    return DuckDB
