"""`setup` and `config`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from pydantic import SecretStr

from schemas.acls import acls, commands_of
from schemas.topics import Topics
from segments.cli.main import main
from segments.cli.output import Failure, command, load_settings, print_json, print_rows
from service.kafka import set_up_topics, topic_faults, topics_of, wanted_config
from service.migrations import (
    ERASURE_SQL,
    check_database,
    migrations,
    roles_sql,
    set_up_database,
)
from service.settings import PREFIX, Settings


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
        needed = [] if no_topics else acls(Topics(settings.topic_prefix))
        lines = _sql() if no_topics else [*_sql(), *_topics(settings)]
        lines += [f"-- {line}" for line in commands_of(needed)]
        if as_json:
            print_json({"print": lines, "acls": [asdict(acl) for acl in needed]})
        else:
            click.echo("\n".join(lines))
        return
    if check:
        await _check(settings, no_topics=no_topics, as_json=as_json)
        return
    done = [f"applied {name}" for name in await set_up_database(settings)]
    if not no_topics:
        done += await set_up_topics(settings)
    if as_json:
        print_json({"done": done})
    else:
        click.echo("\n".join(done) or "nothing to do")


async def _check(settings: Settings, *, no_topics: bool, as_json: bool) -> None:
    warnings = await check_database(settings)
    faults = [] if no_topics else [str(fault) for fault in await topic_faults(settings)]
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


def _topics(settings: Settings) -> list[str]:
    """What `setup` asks of Kafka, as commands of its own tools."""
    lines = []
    for topic in topics_of(settings):
        config = " ".join(f"--config {k}={v}" for k, v in wanted_config(settings, topic).items())
        lines.append(
            f"-- kafka-topics.sh --create --topic {topic} --partitions {settings.topic_partitions} {config}"
        )
    return lines


@command(main)
async def config(*, as_json: bool) -> None:
    """List every setting: name, meaning, default, value (without secrets)."""
    settings = load_settings()
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
