"""`as-of`: states at a moment, as known at another, or as shown with a snapshot."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from projections.queries.rows import Moment
from projections.queries.snapshots import COLUMNS, SECONDS, Wanted, read_states, take_snapshot
from segments.cli.command import command, load_settings, network_callback
from segments.cli.database import connected, note_access, note_unknown_network
from segments.cli.moments import moment_callback
from segments.cli.output import plain, print_rows
from service.postgres.database import give_longer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

ROLE = "segments_operate"


@command()
@click.option(
    "--at",
    callback=moment_callback,
    help="After all events up to this time; RFC 3339 or Unix seconds. Default: all events.",
)
@click.option(
    "--known-at", callback=moment_callback, help="Only what was recorded up to this time."
)
@click.option("--snapshot", help="As the views showed it with this token; not with --known-at.")
@click.option("--network", callback=network_callback, help="Only this network.")
@click.option("--segment", type=int, help="Only this segment id.")
@click.option("--user", help="Only this user: an email or a user id.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
async def as_of(
    *,
    at: datetime | None,
    known_at: datetime | None,
    snapshot: str | None,
    network: str | None,
    segment: int | None,
    user: str | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Show who was in a segment at a time, as known then or now, or as shown with a snapshot.

    The JSON has the snapshot of what is printed; null with --known-at. `status` prints the present one.
    """
    if as_csv and as_json:
        raise click.UsageError("--csv and --json can't be combined.")
    settings = load_settings()
    moment, wanted = Moment(at, known_at, snapshot), Wanted(network, segment, user)
    async with (
        connected(settings, ROLE, "repeatable_read") as connection,
        connection.transaction(isolation="repeatable_read"),
    ):
        await give_longer(connection, SECONDS)
        await note_access(connection, "as-of", network, segment, user)
        states = read_states(connection, moment, wanted)
        if as_csv:
            await _print_csv(states)
        elif as_json:
            token = None if known_at else snapshot or await take_snapshot(connection)
            await _print_json(states, token)
        else:
            rows = [row async for row in states]
            print_rows(rows, COLUMNS)
            await note_unknown_network(connection, network, rows)


async def _print_csv(states: AsyncIterator[dict[str, Any]]) -> None:
    """Print row by row, however many there are."""
    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    async for row in states:
        writer.writerow([json.dumps(v) if isinstance(v, bool) else v for v in row.values()])


async def _print_json(states: AsyncIterator[dict[str, Any]], token: str | None) -> None:
    """Print one JSON value, row by row."""
    click.echo(f'{{"snapshot": {json.dumps(token)}, "memberships": [', nl=False)
    separator = ""
    async for row in states:
        click.echo(f"{separator}{json.dumps(plain(row), ensure_ascii=False)}", nl=False)
        separator = ", "
    click.echo("]}")
