"""`send` and `import`: publishing commands, checked first by the same parser as the ingest's."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress

from schemas.command import UserStatus, check_times, read_command
from schemas.headers import IDEMPOTENCY_KEY
from schemas.refusal import Refusal
from segments.cli.files import ImportFile, Line, json_object
from segments.cli.main import main
from segments.cli.output import Failure, actor_option, command, load_settings, print_json
from service.kafka import producing
from service.publish import Sender, publish, record_key

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

    from service.settings import Settings

IN_FLIGHT = 2000


def _check(value: bytes) -> None:
    """Check a command as the ingest will, as if it were received now; raises Refusal."""
    command = read_command(value)
    now_ms = time.time_ns() // 1_000_000
    at = command.status_change_timestamp
    check_times(command, now_ms // 1000 if at is None else at, now_ms)


STATUSES = [status.text for status in UserStatus if status is not UserStatus.EXPIRE]


def _metadata(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Check that it is JSON, and keep the text: its numbers keep their digits."""
    try:
        if value is not None:
            json.loads(value)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"is not JSON: {error}") from error
    return value


@command(main)
@click.option("--network", required=True, help="The tenant.")
@click.option("--user", required=True, help="An email or a user id.")
@click.option("--segment", required=True, type=int, help="The segment's id.")
@click.option(
    "--status", required=True, type=click.Choice(STATUSES), help="What is said of the user."
)
@click.option("--reference", help="Your own id for it.")
@click.option(
    "--at", type=int, help="When it happened, Unix seconds; default: the time of receipt."
)
@click.option("--expires", type=int, help="When the override lapses, Unix seconds.")
@click.option("--description", help="Why.")
@click.option("--metadata", callback=_metadata, help="A JSON object of your own data.")
@click.option("--dry-run", is_flag=True, help="Check it, publish nothing.")
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
    """Publish one command; prints the position that the broker acknowledged."""
    settings = load_settings()
    given = {
        "network_id": network, "user": user, "segment_id": segment, "user_status": status,
        "reference_id": reference, "status_change_timestamp": at, "expires_at": expires,
        "description": description,
    }  # fmt: skip
    value = json_object({k: v for k, v in given.items() if v is not None}, metadata=metadata)
    try:
        _check(value)
    except Refusal as refusal:
        raise Failure(str(refusal), exit_code=2) from refusal
    if dry_run:
        result: dict[str, Any] = {"status": "valid"}
    else:
        async with producing(settings) as producer:
            sent = await publish(
                producer, settings, record_key(network, user), value, Sender("cli", actor)
            )
        result = {
            "status": "queued", "reference_id": reference, "status_change_timestamp": at,
            "topic": sent.topic, "partition": sent.partition, "offset": sent.offset,
        }  # fmt: skip
    if as_json:
        print_json(result)
    else:
        click.echo(
            "valid; nothing published"
            if dry_run
            else f"{result['topic']}:{result['partition']}:{result['offset']}"
        )


@command(main, "import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--network", help="The tenant, for lines that name none.")
@click.option("--dry-run", is_flag=True, help="Check every line, publish nothing.")
@actor_option
async def import_(
    *, file: Path, network: str | None, dry_run: bool, actor: str | None, as_json: bool
) -> None:
    """Publish the commands of a CSV or NDJSON file.

    CSV: the first line names the fields; metadata is JSON. Interrupted, the same call goes on where it stopped;
    every line carries an idempotency key made of file and line, so nothing is counted twice.
    """
    settings = load_settings()
    source = ImportFile(file, network)
    bad: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    with Progress(console=Console(stderr=True), disable=as_json) as progress:
        bar = progress.add_task(file.name, total=source.size)

        def checked(line: Line) -> bool:
            progress.update(bar, completed=line.end)
            counts["lines"] += 1
            try:
                if line.value is None:
                    raise ValueError(line.fault)  # noqa: TRY301
                _check(line.value)
            except (Refusal, ValueError) as error:
                bad.append({"line": line.number, "error": str(error)})
                return False
            return True

        if dry_run:
            for line in source.lines(0):
                checked(line)
        else:
            async with producing(settings) as producer:
                await _publish_lines(producer, settings, source, checked, counts, actor)
    result = {**counts, "published": counts["published"], "refused": len(bad), "errors": bad}
    if as_json:
        print_json(result)
    else:
        for one in bad[:100]:
            click.echo(f"line {one['line']}: {one['error']}", err=True)
        click.echo(f"{counts['lines']} lines, {counts['published']} published, {len(bad)} refused")
    if bad:
        raise Failure(f"{len(bad)} lines were refused.")


async def _publish_lines(
    producer: AIOKafkaProducer,
    settings: Settings,
    source: ImportFile,
    checked: Any,
    counts: Counter[str],
    actor: str | None,
) -> None:
    """Publish in blocks; each block's end is noted once the broker has all of it."""
    block: list[asyncio.Task[Any]] = []
    number = source.resume_after()
    for line in source.lines(number):
        if checked(line) and line.value is not None:
            headers = ((IDEMPOTENCY_KEY, source.key(line.number).encode()),)
            key = record_key(line.network_id, line.user)
            sending = publish(producer, settings, key, line.value, Sender("import", actor), headers)
            block.append(asyncio.ensure_future(sending))
        if len(block) >= IN_FLIGHT:
            await asyncio.gather(*block)
            counts["published"] += len(block)
            block = []
            source.note(line.number)
    await asyncio.gather(*block)
    counts["published"] += len(block)
    source.finish()
