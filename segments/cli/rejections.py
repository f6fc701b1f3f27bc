"""`rejected`: lists and retries rejected records."""

from __future__ import annotations

import json
from typing import Any

import click

from schemas.command.refusal import Reason
from schemas.position import Position
from segments.cli.command import BOTH, actor_option, command, load_settings, only_network_option
from segments.cli.database import connected, note_access, note_unknown_network
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
    "The outcomes appear in view reporting.result at these positions. A record that is rejected again appears in"
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
    record = dict(row)
    names = ("kafka_topic", "kafka_partition", "kafka_epoch", "kafka_offset")
    return {"position": str(Position(*(record[name] for name in names))), **record}


@command(rejected, "list")
@click.option(
    "--reason",
    type=click.Choice([reason.value for reason in Reason]),
    help="List only this reason.",
)
@only_network_option
@click.option("--new", is_flag=True, help="List only records that were not retried.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="List at most this many records.",
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
        await note_access(connection, "rejected list", network, rows=len(rows))
    listed = [_with_position(row) for row in rows]
    if as_json:
        print_json(listed)
    else:
        print_rows(listed, COLUMNS)


@command(rejected)
@click.argument("position", callback=_position)
async def show(*, position: Position, as_json: bool) -> None:
    """Show one rejected record. POSITION is topic:partition:epoch:offset.

    payload and record_key are bytes in hexadecimal. payload_text is the payload as UTF-8, as far as it can be read.
    """
    async with connected(load_settings(), ROLE) as connection:
        record = _with_position(await rejections.show_rejected(connection, position))
        await note_access(connection, "rejected show", record["network_id"], rows=1)
    record.pop("lane_id")
    record["headers"] = None if record["headers"] is None else json.loads(record["headers"])
    if as_json:
        print_json(record)
    else:
        for name, value in record.items():
            click.echo(
                f"{name}{' (hexadecimal)' if isinstance(value, bytes) else ''}: {_value(value)}"
            )


def _value(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(plain(value))


@command(rejected, needs=BOTH)
@click.argument("positions", nargs=-1, required=True, callback=_position)
@actor_option
async def retry(*, positions: tuple[Position, ...], actor: str | None, as_json: bool) -> None:
    """Publish rejected records again, unchanged. A command without a time keeps the time of its first receipt.

    The command prints the positions of the new records. The outcomes appear there in view reporting.result after
    ingest. A record that is rejected again appears in `segments rejected list --new`.
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
