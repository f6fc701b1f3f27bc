"""`import`: publishes the commands of a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schemas.command.refusal import Refusal
from schemas.headers import IDEMPOTENCY_KEY
from schemas.topics import Topics
from segments.cli.command import (
    DATABASE,
    KAFKA,
    Failure,
    actor_option,
    command,
    load_settings,
    network_callback,
)
from segments.cli.dry_run import dry_import
from segments.cli.send import check
from segments.cli.tally import resumable, tallied
from segments.importing.files import ImportFile, Progress
from service.kafka.clients import cluster_id, producing
from service.kafka.publish import Sender, publish, record_key

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

    from segments.cli.tally import Tally
    from segments.importing.files import Line
    from service.runtime.settings import Settings

IN_FLIGHT = 2000


@command(name="import", needs=KAFKA, instead={"--dry-run": DATABASE})
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--network", callback=network_callback, help="The network (tenant) of lines that name none."
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Publish nothing; count the outcomes that the lines would have now.",
)
@actor_option
async def import_(
    *, file: Path, network: str | None, dry_run: bool, actor: str | None, as_json: bool
) -> None:
    """Publish the commands of a CSV or NDJSON file.

    In CSV the first line names the fields, and metadata is JSON. If the heading makes every line wrong, nothing is
    published, and the exit code is 2. After an interruption the same call continues where it stopped, as noted in
    `<file>.progress`, and counts separately what was published before.

    Every line gets an idempotency key made of the content of the whole file and the number of the line: the same file
    counts once, however often it is imported. A corrected file is another file: its good lines count again, unless
    they give a time. So import the corrected lines in a file of their own, or give each line a time and a reference_id.

    With --dry-run the command counts outcomes; each line is checked as if the lines before it had been received.
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
    """Publish in blocks; the progress is stored when the broker has acknowledged a block."""
    block: list[asyncio.Task[Any]] = []
    progress = Progress(source, await cluster_id(settings), Topics(settings.topic_prefix).commands)
    with resumable(progress):
        after, done = progress.noted()
        tally.resume(done)
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
    """Return a line's command and its record key. Raises Refusal or ValueError."""
    if line.value is None:
        raise ValueError(line.fault)
    check(line.value)
    return line.value, record_key(line.network_id, line.user)
