"""`source`: which topics are read, and what each may say."""

from __future__ import annotations

import re
from dataclasses import asdict

import click

from schemas.command.rules import ALLOWED, Transport, is_network_id
from segments.cli.command import BOTH, DATABASE, actor_option, command, load_settings
from segments.cli.database import connected
from segments.cli.output import print_json, print_rows
from segments.cli.setup import set_up_our_topics
from service.kafka.clients import administering
from service.registry import command_topics
from service.runtime.errors import RefusedError

ROLE = "segments_registry"
COLUMNS = ("topic", "change", "networks", "statuses", "changed_at", "actor")
STATUSES = tuple(ALLOWED[Transport.KAFKA])
_TOPIC = re.compile(r"(?!\.{1,2}$|__)[A-Za-z0-9._-]{1,249}")


@click.group()
def source() -> None:
    """Manage the topics that commands are read from, and what each may publish."""


def _topic(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not _TOPIC.fullmatch(value):
        raise click.BadParameter("must be the name of a topic: 1 to 249 of A-Z a-z 0-9 . _ -")
    return value


def _split(value: str | None) -> list[str] | None:
    return None if value is None else [name.strip() for name in value.split(",")]


def _networks(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> list[str] | None:
    names = _split(value)
    if names is not None and not all(map(is_network_id, names)):
        raise click.BadParameter(
            "must be networks separated by commas, each 1 to 64 of A-Z a-z 0-9 . _ -"
        )
    return names


def _statuses(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> list[str] | None:
    names = _split(value)
    if names is not None and not set(names) <= set(STATUSES):
        raise click.BadParameter(f"must be of {', '.join(STATUSES)}, separated by commas")
    return names


topic_option = click.option("--topic", required=True, callback=_topic, help="The topic.")


def _show(found: command_topics.Source, *, as_json: bool) -> None:
    row = {name: value for name, value in asdict(found).items() if name in COLUMNS}
    if as_json:
        print_json(row)
    else:
        _print([row])


def _print(rows: list[dict[str, object]]) -> None:
    """Print for people: names with commas, and `all` where nothing is left out."""
    for row in rows:
        for column in ("networks", "statuses"):
            names = row[column]
            row[column] = ",".join(names) if isinstance(names, list) else "all"
    print_rows(rows, COLUMNS)


@command(source, needs=BOTH, instead={"--no-topics": DATABASE})
@topic_option
@click.option(
    "--networks",
    callback=_networks,
    help="Accept commands only for these networks, A,B. Default: all.",
)
@click.option(
    "--statuses",
    callback=_statuses,
    help="Accept only these user_status, as in enter,leave. Default: all.",
)
@click.option("--no-topics", is_flag=True, help="Do not create or correct the topic in Kafka.")
@actor_option
async def allow(
    *,
    topic: str,
    networks: list[str] | None,
    statuses: list[str] | None,
    no_topics: bool,
    actor: str | None,
    as_json: bool,
) -> None:
    """Read commands from a topic, and set what it may say. This replaces what was set before.

    A missing topic is created, and a wrong one corrected, as by `setup`. Running processes read it within seconds.
    """
    settings = load_settings()
    if not no_topics:
        _, warning = await set_up_our_topics(settings, actor, sources=[topic])
        if warning:
            click.echo(f"warning: {warning}", err=True)
    async with connected(settings, ROLE) as connection:
        found = await command_topics.allow(
            connection, settings, topic, networks=networks, statuses=statuses, actor=actor
        )
    _show(found, as_json=as_json)


@command(source, "list")
@click.option("--history", is_flag=True, help="List every change, oldest first.")
async def list_(*, history: bool, as_json: bool) -> None:
    """List the topics, with what each may say, and since when."""
    settings = load_settings()
    async with connected(settings, ROLE) as connection:
        found = await command_topics.list_sources(connection, settings, history=history)
    rows = [{name: asdict(one)[name] for name in COLUMNS} for one in found]
    if as_json:
        print_json(rows)
    else:
        _print(rows)


@command(source)
@topic_option
@actor_option
async def revoke(*, topic: str, actor: str | None, as_json: bool) -> None:
    """Reject every command of a topic from now on, as `not_allowed`. The topic is still read, so nothing is lost."""
    settings = load_settings()
    async with connected(settings, ROLE) as connection:
        found = await command_topics.revoke(connection, settings, topic, actor)
    _show(found, as_json=as_json)


@command(source, needs=BOTH)
@topic_option
@actor_option
async def close(*, topic: str, actor: str | None, as_json: bool) -> None:
    """Stop reading a revoked topic that was deleted in Kafka. Watermarks no longer wait for its lanes."""
    settings = load_settings()
    async with administering(settings) as admin:
        if topic in await admin.list_topics():
            raise RefusedError(
                f"{topic} is still in Kafka, and its records would be lost; delete it first."
            )
    async with connected(settings, ROLE) as connection:
        found = await command_topics.close(connection, settings, topic, actor)
    _show(found, as_json=as_json)
