"""`memberships`: the topic that tells what stands."""

from __future__ import annotations

import asyncio
import time

import click

from projections.outbox.republish import ask_anew, is_asked
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
    help="Seconds to wait until it is done; exit 1 at the timeout.",
)
@actor_option
async def republish(*, reason: str, wait: float | None, actor: str | None, as_json: bool) -> None:
    """Let `project` publish all of <prefix>.memberships: every state, and a null value for each key without a user.

    The keys are then distributed over all current partitions of the topic. Needed after a restore to an earlier state,
    or after partitions were added by hand. After a move to another Kafka, `project` does this automatically.
    """
    async with connected(load_settings(), ROLE) as connection:
        await ask_anew(connection, reason, actor)
        until = time.monotonic() + (wait or 0)
        while (asked := await is_asked(connection)) and time.monotonic() < until:  # noqa: ASYNC110 - a database tells
            await asyncio.sleep(POLL_SECONDS)
    if as_json:
        print_json({"done": not asked})
    else:
        click.echo("asked; `segments project` is at it" if asked else "told as a whole")
    if asked and wait is not None:
        raise Failure("Not told as a whole yet: does `segments project` run?")
