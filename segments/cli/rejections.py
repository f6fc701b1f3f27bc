"""`rejected`: lists and retries rejected records."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeVar

import click

from schemas.command.refusal import Reason
from schemas.position import Position
from segments.cli.command import (
    BOTH,
    DATABASE,
    actor_option,
    command,
    load_settings,
    network_callback,
    only_network_option,
)
from segments.cli.database import connected, note_access, note_unknown_network
from segments.cli.moments import moment_callback
from segments.cli.output import counted, plain, print_json, print_rows
from service.kafka.clients import producing
from service.operations import rejected as rejections
from service.operations import retries
from service.operations.retries import Selection

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import asyncpg
    from aiokafka import AIOKafkaProducer

    from service.runtime.settings import Settings

_F = TypeVar("_F", bound="Callable[..., Any]")

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
    "View reporting.rejected_retry says what became of each. A record that is rejected again appears in"
    " `segments rejected list --new`."
)


def reason_option(text: str) -> Callable[[_F], _F]:
    """Add `--reason`, with its help."""
    return click.option(
        "--reason", type=click.Choice([reason.value for reason in Reason]), help=text
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
@reason_option("List only this reason.")
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


@command(rejected, needs=BOTH, instead={"--dry-run": DATABASE})
@click.argument("positions", nargs=-1, callback=_position)
@reason_option("Retry only this reason.")
@click.option("--network", callback=network_callback, help="Retry only this network.")
@click.option("--segment", type=int, help="Retry only this segment id.")
@click.option("--topic", help="Retry only records of this topic.")
@click.option(
    "--from",
    "received_from",
    callback=moment_callback,
    help="Retry what was received at this time or later; RFC 3339 or Unix seconds.",
)
@click.option(
    "--to",
    "received_before",
    callback=moment_callback,
    help="Retry what was received before this time.",
)
@click.option("--dry-run", is_flag=True, help="Retry nothing; count what would be retried.")
@actor_option
async def retry(
    *,
    positions: tuple[Position, ...],
    reason: str | None,
    network: str | None,
    segment: int | None,
    topic: str | None,
    received_from: datetime | None,
    received_before: datetime | None,
    dry_run: bool,
    actor: str | None,
    as_json: bool,
) -> None:
    """Publish rejected records again, unchanged. A command without a time keeps the time of its first receipt.

    Name records by their positions, or select those that were not retried yet by one or more options. View
    reporting.rejected_retry says what became of each retry. Records that were rejected as conflict, not_json, too_large
    or tombstone are not retried: the same bytes meet the same end.
    """
    selection = Selection(reason, network, segment, topic, received_from, received_before)
    if bool(positions) == (selection != Selection()):
        raise click.UsageError(
            "Name POSITIONS, or select records with --reason, --network, --segment, --topic, --from or --to."
        )
    async with AsyncExitStack() as stack:
        settings = load_settings()
        connection = await stack.enter_async_context(connected(settings, ROLE))
        producer = None if dry_run else await stack.enter_async_context(producing(settings))
        if positions:
            await _retry_positions(
                connection, producer, settings, positions, actor, as_json=as_json
            )
        else:
            await _retry_selection(
                connection, producer, settings, selection, actor, as_json=as_json
            )


async def _retry_positions(
    connection: asyncpg.Connection[Any],
    producer: AIOKafkaProducer | None,
    settings: Settings,
    positions: tuple[Position, ...],
    actor: str | None,
    *,
    as_json: bool,
) -> None:
    """Retry records, once all of them are known to be retriable; or only say so."""
    for position in positions:
        await retries.check_retry(
            connection, await rejections.show_rejected(connection, position), position
        )
    if producer is None:
        _print_counts([{"records": len(positions), "left_out": None}], as_json=as_json)
        return
    done = [
        await retries.retry_rejected(connection, producer, settings, position, actor)
        for position in positions
    ]
    if as_json:
        print_json(done)
    else:
        print_rows(done)
        click.echo(_OUTCOME, err=True)


async def _retry_selection(
    connection: asyncpg.Connection[Any],
    producer: AIOKafkaProducer | None,
    settings: Settings,
    selection: Selection,
    actor: str | None,
    *,
    as_json: bool,
) -> None:
    """Retry what is selected, or only count it."""
    until = await connection.fetchval("SELECT clock_timestamp()")
    counts = await retries.count_retriable(connection, selection, until)
    if producer is None:
        _print_counts(counts, as_json=as_json)
        return
    done = 0
    async for more in retries.retry_selected(
        connection, producer, settings, selection, until, actor
    ):
        done += more
    left_out = [row for row in counts if row["left_out"]]
    if as_json:
        print_json({"retried": done, "left_out": left_out})
        return
    click.echo(f"retried {counted(done, 'record')}")
    if left_out:
        print_rows(left_out, err=True)
    if done:
        click.echo(_OUTCOME, err=True)


def _print_counts(counts: list[dict[str, Any]], *, as_json: bool) -> None:
    """Print the result of a dry run."""
    total = sum(row["records"] for row in counts if row["left_out"] is None)
    if as_json:
        print_json({"would_retry": total, "counts": counts})
        return
    if len(counts) > 1 or any(row["left_out"] for row in counts):
        print_rows(counts)
    click.echo(f"would retry {counted(total, 'record')}")
