"""`send`: publishes one command, after the same checks as ingest."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from schemas.command import UserStatus
from schemas.command.refusal import Refusal
from segments.cli.command import DATABASE, KAFKA, Failure, actor_option, command, load_settings
from segments.cli.output import print_json
from segments.importing.files import json_object, read_value
from service.kafka.clients import producing
from service.kafka.publish import Sender, publish, queued, record_key
from service.registry.checks import check_received

if TYPE_CHECKING:
    from schemas.command import Command

STATUSES = [status.text for status in UserStatus if status is not UserStatus.EXPIRE]


def check(value: bytes) -> Command:
    """Parse and check a command as ingest will, as if it were received now. Raises Refusal."""
    command = read_value(value)
    check_received(command, time.time_ns() // 1_000_000)
    return command


def _metadata(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Check that the value is JSON, and keep the text, so that numbers keep their digits."""
    try:
        if value is not None:
            json.loads(value)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"is not JSON: {error}") from error
    return value


@command(needs=KAFKA, instead={"--dry-run": DATABASE})
@click.option("--network", required=True, help="The network (tenant).")
@click.option("--user", required=True, help="An email or a user id.")
@click.option("--segment", required=True, type=int, help="The segment's id.")
@click.option(
    "--status",
    required=True,
    type=click.Choice(STATUSES),
    help="The user_status of the command.",
)
@click.option("--reference", help="Your own id for the command.")
@click.option(
    "--at", type=int, help="When it happened, Unix seconds. Default: the time of receipt."
)
@click.option("--expires", type=int, help="When the override expires, Unix seconds.")
@click.option("--description", help="Why.")
@click.option("--metadata", callback=_metadata, help="A JSON object of your own data.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Publish nothing; print the outcome that the command would have now.",
)
@actor_option
async def send(
    *,
    network: str,
    user: str,
    segment: int,
    status: str,
    reference: str | None,
    at: int | None,
    expires: int | None,
    description: str | None,
    metadata: str | None,
    dry_run: bool,
    actor: str | None,
    as_json: bool,
) -> None:
    """Publish one command and print its position. The broker has acknowledged it then.

    If SEGMENTS_DATABASE_URL is set and the segment does not exist, nothing is published, and the exit code is 1.
    With --dry-run the command prints the outcome, and the state before and after; the exit code is 1 if the command
    would be rejected. A dry run is checked against the log: it needs the database and no broker.
    """
    settings = load_settings()
    fields = {
        "network_id": network, "user": user, "segment_id": segment, "user_status": status,
        "reference_id": reference, "status_change_timestamp": at, "expires_at": expires,
        "description": description,
    }  # fmt: skip
    value = json_object({k: v for k, v in fields.items() if v is not None}, metadata=metadata)
    try:
        checked = check(value)
    except Refusal as refusal:
        raise Failure(str(refusal), exit_code=2) from refusal
    if dry_run:
        from segments.cli.dry_run import dry_send  # noqa: PLC0415 - as below

        await dry_send(settings, value, as_json=as_json)
        return
    async with producing(settings) as producer:
        if settings.database_url is not None:
            # Imported here because asyncpg takes 0.1 s, which a publisher without a database need not spend.
            from segments.cli.segment_check import check_segment  # noqa: PLC0415

            await check_segment(settings, checked)
        key = record_key(network, user)
        sent = await publish(producer, settings, key, value, Sender("cli", actor))
    if as_json:
        print_json(queued(checked, sent))
    else:
        click.echo(f"{sent.topic}:{sent.partition}:{sent.offset}")
