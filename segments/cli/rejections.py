"""`rejected`: what was refused, and publishing it again."""

from __future__ import annotations

import json
from typing import Any

import click

from schemas.command.refusal import Reason
from schemas.position import Position
from segments.cli.command import BOTH, actor_option, command, load_settings, network_callback
from segments.cli.database import connected, note_unknown_network
from segments.cli.output import plain, print_json, print_rows
from service.kafka.clients import producing
from service.operations import rejected as rejections

ROLE = "segments_operate"
COLUMNS = (
    "position",
    "received_at",
    "reason",
    "detail",
    "network_id",
    "reference_id",
    "retried_at",
)
_OUTCOME = (
    "What becomes of it shows in view reporting.result at this topic, partition and offset; what is refused again, in"
    " `segments rejected list --new`."
)


@click.group()
def rejected() -> None:
    """List, show and retry rejected records."""


def _position(_context: click.Context, _option: click.Parameter, value: Any) -> Any:
    try:
        if isinstance(value, tuple):
            return tuple(Position.parse(one) for one in value)
        return Position.parse(value)
    except ValueError as error:
        raise click.BadParameter("must be topic:partition:epoch:offset") from error


def _with_position(row: Any) -> dict[str, Any]:
    found = dict(row)
    names = ("kafka_topic", "kafka_partition", "kafka_epoch", "kafka_offset")
    return {"position": str(Position(*(found[name] for name in names))), **found}


@command(rejected, "list")
@click.option(
    "--reason", type=click.Choice([reason.value for reason in Reason]), help="Only this reason."
)
@click.option("--network", callback=network_callback, help="Only this network.")
@click.option("--new", is_flag=True, help="Only records that were not retried.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Maximum number of records.",
)
async def list_(
    *, reason: str | None, network: str | None, new: bool, limit: int, as_json: bool
) -> None:
    """List rejected records, newest first."""
    async with connected(load_settings(), ROLE) as connection:
        rows = await rejections.list_rejected(
            connection, reason=reason, network_id=network, retried=not new, limit=limit
        )
        await note_unknown_network(connection, network, rows)
    listed = [_with_position(row) for row in rows]
    if as_json:
        print_json(listed)
    else:
        print_rows(listed, COLUMNS)


@command(rejected)
@click.argument("position", callback=_position)
async def show(*, position: Position, as_json: bool) -> None:
    """Show one rejected record. POSITION is topic:partition:epoch:offset.

    payload and record_key are hexadecimal; payload_text is the payload decoded as UTF-8 where possible.
    """
    async with connected(load_settings(), ROLE) as connection:
        found = _with_position(await rejections.show_rejected(connection, position))
    found.pop("lane_id")
    found["headers"] = None if found["headers"] is None else json.loads(found["headers"])
    if as_json:
        print_json(found)
    else:
        for name, value in found.items():
            click.echo(
                f"{name}{' (hexadecimal)' if isinstance(value, bytes) else ''}: {_told(value)}"
            )


def _told(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(plain(value))


@command(rejected, needs=BOTH)
@click.argument("positions", nargs=-1, required=True, callback=_position)
@actor_option
async def retry(*, positions: tuple[Position, ...], actor: str | None, as_json: bool) -> None:
    """Publish rejected records again, unchanged. A record without a time keeps the time of its first receipt.

    Prints the new positions. View reporting.result shows the outcome at these positions once the records are ingested;
    `segments rejected list --new` lists records that are rejected again.
    """
    settings = load_settings()
    async with connected(settings, ROLE) as connection, producing(settings) as producer:
        done = [
            await rejections.retry_rejected(connection, producer, settings, position, actor)
            for position in positions
        ]
    if as_json:
        print_json(done)
    else:
        print_rows(done)
        click.echo(_OUTCOME, err=True)
