"""`replay`: publishes events again, as commands, for another installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from segments.cli.command import BOTH, DATABASE, command, load_settings, network_callback
from segments.cli.database import connected, note_access, note_unknown_network
from segments.cli.moments import moment_callback
from segments.cli.output import counted, print_json
from service.kafka.clients import producing
from service.operations.replay import SECONDS, ReplaySelection, check_topic, count_replayed
from service.operations.replay import replay as replay_events
from service.postgres.database import give_longer

if TYPE_CHECKING:
    from datetime import datetime

ROLE = "segments_operate"


@command(needs=BOTH, instead={"--dry-run": DATABASE})
@click.option("--topic", required=True, help="A command topic that the other installation reads.")
@click.option("--network", callback=network_callback, help="Replay only this network.")
@click.option("--segment", type=int, help="Replay only this segment id.")
@click.option(
    "--from",
    "recorded_from",
    callback=moment_callback,
    help="Replay what was recorded at this time or later; RFC 3339 or Unix seconds.",
)
@click.option(
    "--to",
    "recorded_before",
    callback=moment_callback,
    help="Replay what was recorded before this time.",
)
@click.option("--dry-run", is_flag=True, help="Publish nothing; count the events.")
async def replay(
    *,
    topic: str,
    network: str | None,
    segment: int | None,
    recorded_from: datetime | None,
    recorded_before: datetime | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Publish events again, as commands, to a topic of another installation.

    That installation comes to the same states. Each command keeps its identity: what it has already is a duplicate
    there. SEGMENTS_SIGNING_KEY is the key of that installation; the database is this one's.
    """
    settings = load_settings()
    selection = ReplaySelection(network, segment, recorded_from, recorded_before)
    async with (
        connected(settings, ROLE, "repeatable_read") as connection,
        connection.transaction(isolation="repeatable_read"),
    ):
        await give_longer(connection, SECONDS)
        if dry_run:
            done = await count_replayed(connection, selection)
        else:
            await check_topic(connection, settings, topic)
            done = 0
            async with producing(settings) as producer:
                async for count in replay_events(connection, producer, settings, topic, selection):
                    done = count
        await note_access(connection, "replay", network, segment, rows=done)
        await note_unknown_network(connection, network, range(done))
    if as_json:
        print_json({"would_replay" if dry_run else "replayed": done, "topic": topic})
    else:
        click.echo(f"{'would replay' if dry_run else 'replayed'} {counted(done, 'event')}")
