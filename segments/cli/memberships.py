"""`memberships`: maintenance of the topic of current states."""

from __future__ import annotations

import asyncio
import time

import click

from projections.outbox.republish import is_republish_pending, request_republish
from segments.cli.command import Failure, actor_option, command, load_settings
from segments.cli.database import connected
from segments.cli.output import print_json

ROLE = "segments_operate"
POLL_SECONDS = 0.2


@click.group()
def memberships() -> None:
    """Maintain the topic <prefix>.memberships."""


@command(memberships)
@click.option("--reason", required=True, help="The reason; recorded.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    help="Wait at most this many seconds until it is done; exit 1 if it is not.",
)
@actor_option
async def republish(*, reason: str, wait: float | None, actor: str | None, as_json: bool) -> None:
    """Request that `project` publishes all of <prefix>.memberships: every state, and null for each key without one.

    Keys are then distributed over all partitions that the topic has now. This is needed after the database was
    restored to an earlier time, or after partitions were added by hand. After a move to another Kafka `project`
    does it by itself.
    """
    async with connected(load_settings(), ROLE) as connection:
        await request_republish(connection, reason, actor)
        until = time.monotonic() + (wait or 0)
        while (pending := await is_republish_pending(connection)) and time.monotonic() < until:  # noqa: ASYNC110 - polling
            await asyncio.sleep(POLL_SECONDS)
    if as_json:
        print_json({"done": not pending})
    else:
        click.echo("requested; `segments project` will publish it" if pending else "published")
    if pending and wait is not None:
        raise Failure("Not published yet. Is `segments project` running?")
