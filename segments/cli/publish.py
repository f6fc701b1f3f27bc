"""`send` and `import`: publishing commands, checked first by the same parser as the ingest's."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schemas.command import UserStatus, check_times
from schemas.command.refusal import Refusal
from schemas.headers import IDEMPOTENCY_KEY
from schemas.topics import Topics
from segments.cli.dry_run import dry_import, dry_send
from segments.cli.files import ImportFile, Progress, json_object, read_value
from segments.cli.main import main
from segments.cli.options import network_callback
from segments.cli.output import (
    DATABASE,
    KAFKA,
    Failure,
    actor_option,
    command,
    connected,
    load_settings,
    print_json,
)
from segments.cli.tally import resumable, tallied
from service.kafka.clients import cluster_id, producing
from service.kafka.publish import Sender, publish, queued, record_key
from service.registry import segments as registry
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.errors import SegmentsError, UnknownSegmentError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

    from schemas.command import Command
    from segments.cli.files import Line
    from segments.cli.tally import Tally
    from service.runtime.settings import Settings

IN_FLIGHT = 2000
ROLE = "segments_operate"
# `send` waits so long for a database to say whether there is such a segment.
LOOK_SECONDS = 2


def _check(value: bytes) -> Command:
    """Read and check a command as the ingest will, as if it were received now; raises Refusal."""
    command = read_value(value)
    now_ms = time.time_ns() // 1_000_000
    at = command.status_change_timestamp
    check_times(command, now_ms // 1000 if at is None else at, now_ms)
    return command


STATUSES = [status.text for status in UserStatus if status is not UserStatus.EXPIRE]


def _metadata(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Check that it is JSON, and keep the text: its numbers keep their digits."""
    try:
        if value is not None:
            json.loads(value)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"is not JSON: {error}") from error
    return value


@command(main, needs=KAFKA, instead={"--dry-run": DATABASE})
@click.option("--network", required=True, help="The network.")
@click.option("--user", required=True, help="An email or a user id.")
@click.option("--segment", required=True, type=int, help="The segment's id.")
@click.option("--status", required=True, type=click.Choice(STATUSES), help="The user_status.")
@click.option("--reference", help="Your own id for the command.")
@click.option(
    "--at", type=int, help="When it happened, Unix seconds; default: the time of receipt."
)
@click.option("--expires", type=int, help="When the override expires, Unix seconds.")
@click.option("--description", help="The reason.")
@click.option("--metadata", callback=_metadata, help="A JSON object of your own data.")
@click.option(
    "--dry-run", is_flag=True, help="Publish nothing; print the outcome if it were received now."
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
    """Publish one command, and print the position that the broker acknowledged.

    If SEGMENTS_DATABASE_URL is set and the segment does not exist, nothing is published: exit 1.
    With --dry-run: prints the outcome, and the state before and after; exit 1 if the command would be rejected. A dry
    run reads the log, so it needs the database and no broker.
    """
    settings = load_settings()
    given = {
        "network_id": network, "user": user, "segment_id": segment, "user_status": status,
        "reference_id": reference, "status_change_timestamp": at, "expires_at": expires,
        "description": description,
    }  # fmt: skip
    value = json_object({k: v for k, v in given.items() if v is not None}, metadata=metadata)
    try:
        said = _check(value)
    except Refusal as refusal:
        raise Failure(str(refusal), exit_code=2) from refusal
    if dry_run:
        await dry_send(settings, value, as_json=as_json)
        return
    async with producing(settings) as producer:
        await _check_segment(settings, said)
        sent = await publish(
            producer, settings, record_key(network, user), value, Sender("cli", actor)
        )
    if as_json:
        print_json(queued(said, sent))
    else:
        click.echo(f"{sent.topic}:{sent.partition}:{sent.offset}")


async def _check_segment(settings: Settings, said: Command) -> None:
    """Look whether there is such a segment, where there is a database to ask; what is published is judged anyway.

    Raises: Failure where it would be refused. An archived one still takes the repeat of a command, known by its time.
    """
    if settings.database_url is None:
        return
    try:
        async with asyncio.timeout(LOOK_SECONDS), connected(settings, ROLE) as connection:
            found = await registry.get(connection, said.network_id, said.segment_id)
    except UnknownSegmentError as error:
        raise Failure(
            f"There is no segment {said.segment_id} in network {said.network_id}; nothing was published."
            f" `segments segment list --network {said.network_id}` lists what there is."
        ) from error
    except (*INFRASTRUCTURE, SegmentsError):
        return
    if found.archived_at is not None and said.status_change_timestamp is None:
        raise Failure(
            f"Segment {said.segment_id} of network {said.network_id} is archived; nothing was published."
        )


@command(main, "import", needs=KAFKA, instead={"--dry-run": DATABASE})
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--network", callback=network_callback, help="The network, for lines that name none.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Publish nothing; count the outcomes of the lines if received now.",
)
@actor_option
async def import_(
    *, file: Path, network: str | None, dry_run: bool, actor: str | None, as_json: bool
) -> None:
    """Publish the commands of a CSV or NDJSON file.

    CSV: the first line names the fields; metadata is JSON. If the heading makes every line invalid, nothing is
    published: exit 2. After an interruption, the same call continues where it stopped, as recorded in
    `<file>.progress`, and reports separately what was published before.

    Every line has an idempotency key derived from the content of the whole file and the line number: the same file
    counts once, however often it is imported. A corrected file is a different file: its correct lines count again,
    unless they have a time. Import only the corrected lines in a new file, or give each line a time and a reference_id.

    With --dry-run: counts the outcomes. Each line sees the effect of the lines before it.
    """
    settings = load_settings()
    source = ImportFile(file, network)
    if fault := source.fault():
        raise Failure(f"{file.name}: {fault}.", exit_code=2)
    with tallied(source, shown=not as_json) as tally:
        if dry_run:
            await dry_import(settings, source, tally)
        else:
            async with producing(settings) as producer:
                await _publish_lines(producer, settings, source, tally, actor)
    tally.print(dry_run=dry_run, as_json=as_json)


async def _publish_lines(
    producer: AIOKafkaProducer,
    settings: Settings,
    source: ImportFile,
    tally: Tally,
    actor: str | None,
) -> None:
    """Publish in blocks; each block's end is noted once the broker has all of it."""
    block: list[asyncio.Task[Any]] = []
    progress = Progress(source, await cluster_id(settings), Topics(settings.topic_prefix).commands)
    with resumable(progress):
        after, done = progress.noted()
        tally.go_on(done)
        for line in tally.counted(source.lines(after)):
            try:
                value, key = _checked(line)
            except (Refusal, ValueError) as error:
                tally.refuse(line.number, str(error))
            else:
                headers = ((IDEMPOTENCY_KEY, source.key(line.number).encode()),)
                sending = publish(producer, settings, key, value, Sender("import", actor), headers)
                block.append(asyncio.ensure_future(sending))
            if len(block) >= IN_FLIGHT:
                await asyncio.gather(*block)
                tally.published += len(block)
                block = []
                progress.note(line.number, tally.done())
        await asyncio.gather(*block)
        tally.published += len(block)
        progress.finish()


def _checked(line: Line) -> tuple[bytes, bytes]:
    """Give a line's command and its record key. Raises Refusal or ValueError."""
    if line.value is None:
        raise ValueError(line.fault)
    _check(line.value)
    return line.value, record_key(line.network_id, line.user)
