"""`setup` and `config`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from pydantic import SecretStr

from schemas.acls import acls, commands_of
from schemas.topics import Topics
from segments.cli.main import main
from segments.cli.output import (
    Failure,
    command,
    connected,
    load_settings,
    print_json,
    print_rows,
)
from service.errors import SegmentsError
from service.kafka import set_up_topics, topic_faults, topics_of, wanted_config
from service.migrations import (
    ERASURE_SQL,
    check_database,
    migrations,
    roles_sql,
    set_up_database,
)
from service.settings import PREFIX, Settings, unknown_variables
from service.sources import allowed_topics, read_topics
from service.waiting import INFRASTRUCTURE

ROLE = "segments_operate"


@command(main)
@click.option("--check", is_flag=True, help="Change nothing; say what is missing or unsafe.")
@click.option(
    "--print",
    "print_only",
    is_flag=True,
    help="Print the SQL, the topics and the ACLs in Kafka, change nothing.",
)
@click.option("--no-topics", is_flag=True, help="Leave Kafka alone.")
async def setup(*, check: bool, print_only: bool, no_topics: bool, as_json: bool) -> None:
    """Make roles, tables and topics; safe to repeat, and for two at once."""
    settings = load_settings()
    if print_only:
        sources, revoked = ([], []) if no_topics else await _known_sources(settings)
        needed = [] if no_topics else acls(Topics(settings.topic_prefix), sources, revoked)
        lines = _sql() if no_topics else [*_sql(), *_topics(settings, sources)]
        lines += [f"-- {line}" for line in commands_of(needed)]
        if as_json:
            print_json({"print": lines, "acls": [asdict(acl) for acl in needed]})
        else:
            click.echo("\n".join(lines))
        return
    if check:
        await _check(settings, no_topics=no_topics, as_json=as_json)
        return
    done = await set_up_database(settings)
    if not no_topics:
        done += await set_up_topics(settings, await _sources(settings))
    if as_json:
        print_json({"done": done})
    else:
        click.echo("\n".join(done) or "nothing to do")


async def _check(settings: Settings, *, no_topics: bool, as_json: bool) -> None:
    warnings = await check_database(settings)
    faults = []
    if not no_topics:
        faults = [str(one) for one in await topic_faults(settings, await _sources(settings))]
    if as_json:
        print_json({"warnings": warnings, "faults": faults})
    else:
        for line in [*faults, *(f"warning: {warning}" for warning in warnings)]:
            click.echo(line)
        if not faults and not warnings:
            click.echo("all is set up")
    if faults:
        raise Failure("Not set up; run `segments setup`.")


def _sql() -> list[str]:
    """What `setup` says to Postgres, in order."""
    return [
        roles_sql(),
        "SET ROLE segments_owner;",
        *(f"-- {migration.name}\n{migration.sql}" for migration in migrations()),
        "RESET ROLE;",
        ERASURE_SQL,
    ]


async def _sources(settings: Settings) -> list[str]:
    """List the topics besides our own that commands come from."""
    async with connected(settings, ROLE) as connection:
        return await allowed_topics(connection, settings)


async def _known_sources(settings: Settings) -> tuple[list[str], list[str]]:
    """List them, and those revoked, as far as there is a database that says so: --print needs none."""
    try:
        async with connected(settings, ROLE) as connection:
            allowed = await allowed_topics(connection, settings)
            read = await read_topics(connection, settings)
    except (*INFRASTRUCTURE, SegmentsError):
        return [], []
    return allowed, [topic for topic in read if topic not in allowed]


def _topics(settings: Settings, sources: list[str]) -> list[str]:
    """What `setup` asks of Kafka, as commands of its own tools."""
    lines = []
    for topic in topics_of(settings, sources):
        config = " ".join(f"--config {k}={v}" for k, v in wanted_config(settings, topic).items())
        lines.append(
            f"-- kafka-topics.sh --create --topic {topic} --partitions {settings.topic_partitions} {config}"
        )
    return lines


@command(main)
async def config(*, as_json: bool) -> None:
    """List every setting: name, meaning, default, value (without secrets).

    Variables that begin with SEGMENTS_ and are no setting, misspelt perhaps, are told on stderr.
    """
    settings = load_settings()
    for name in unknown_variables():
        click.echo(f"warning: {name} is no setting; it changes nothing", err=True)
    rows = [_setting(settings, name) for name in Settings.model_fields]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows)


def _setting(settings: Settings, name: str) -> dict[str, Any]:
    field = Settings.model_fields[name]
    value = getattr(settings, name)
    return {
        "name": PREFIX + name.upper(),
        "meaning": field.description,
        "default": field.default,
        "value": "(secret)" if isinstance(value, SecretStr) else value,
    }
