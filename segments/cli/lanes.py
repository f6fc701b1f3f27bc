"""`lane`: lists and adopts lanes, skips records."""

from __future__ import annotations

from typing import Any

import click
from aiokafka import TopicPartition

from schemas.topics import Topics
from segments.cli.command import BOTH, Failure, actor_option, command, load_settings
from segments.cli.database import connected
from segments.cli.output import counted, print_json, print_rows
from service.operations import lanes
from service.operations.skip import skip as skip_records
from service.postgres.database import open_database

ROLE = "segments_operate"


@click.group()
def lane() -> None:
    """List lanes, adopt a remade topic, skip records."""


@command(lane, "list")
@click.option(
    "--history",
    is_flag=True,
    help="List the actions on lanes and the causes of stops, oldest first.",
)
async def list_(*, history: bool, as_json: bool) -> None:
    """List lanes: how far each has been read, what its offsets held, and why it is stopped."""
    async with connected(load_settings(), ROLE) as connection:
        rows = await lanes.list_lanes(connection, history=history)
    if as_json:
        print_json([dict(row) for row in rows])
    else:
        print_rows([dict(row) for row in rows])


topic_option = click.option("--topic", help="Default: <prefix>.commands.")
partition_option = click.option(
    "--partition", required=True, type=click.IntRange(0), help="The partition."
)
reason_option = click.option("--reason", required=True, help="The reason; recorded.")


def _start(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    if value in (None, "earliest"):
        return None
    if not value.isdecimal():
        raise click.BadParameter("must be `earliest` or an offset")
    return int(value)


@command(lane, needs=BOTH)
@topic_option
@click.option("--partition", type=click.IntRange(0), help="The partition; or --all.")
@click.option(
    "--from",
    "start",
    callback=_start,
    metavar="earliest|OFFSET",
    help="Where reading continues. Default: earliest.",
)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Adopt every stopped lane: in a new epoch where the topic is another one; closed where the topic is gone.",
)
@click.option("--force", is_flag=True, help="Also if the topic still holds what the log has read.")
@reason_option
@actor_option
async def adopt(
    *,
    topic: str | None,
    partition: int | None,
    start: int | None,
    every: bool,
    reason: str,
    force: bool,
    actor: str | None,
    as_json: bool,
) -> None:
    """Continue with a topic that was remade or truncated, or that outran its retention, in a new epoch.

    A stopped lane whose topic holds what the log has read continues where it stopped. With --all every stopped lane is
    adopted, as after a move to another Kafka; `project` then publishes the topic of memberships as a whole.
    """
    settings = load_settings()
    if every == (partition is not None):
        raise Failure("Give either --partition or --all.", exit_code=2)
    if every and (topic is not None or start is not None or force):
        raise Failure("--all takes neither --topic nor --from OFFSET nor --force.", exit_code=2)
    async with open_database(settings, ROLE, 1) as database:
        if partition is None:
            _print_all(await lanes.adopt_all(database, reason, actor), as_json=as_json)
            return
        where = TopicPartition(topic or Topics(settings.topic_prefix).commands, partition)
        _print(
            await lanes.adopt(database, where, start, reason, actor, force=force),
            as_json=as_json,
        )


def _print_all(done: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(done)
    elif done:
        print_rows(done)
    else:
        click.echo(
            "nothing to do: no lane is stopped, and each topic is the one that the log has read"
        )
    left = [row for row in done if row["done"].startswith("left")]
    if left:
        raise Failure(
            f"{counted(len(left), 'lane')} unchanged: {left[0]['done'].removeprefix('left: ')}."
        )


@command(lane, needs=BOTH)
@topic_option
@partition_option
@click.option(
    "--to", required=True, type=click.IntRange(1), help="The offset at which reading continues."
)
@reason_option
@actor_option
async def skip(
    *, topic: str | None, partition: int, to: int, reason: str, actor: str | None, as_json: bool
) -> None:
    """Skip records. They are rejected as `skipped`, and kept.

    While many records are skipped the lane is stopped. After an interruption the same command continues.
    """
    settings = load_settings()
    where = TopicPartition(topic or Topics(settings.topic_prefix).commands, partition)
    async with open_database(settings, ROLE, 1) as database:
        _print(await skip_records(database, where, to, reason, actor), as_json=as_json)


def _print(done: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(done)
    else:
        print_rows([done])
