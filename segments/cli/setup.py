"""`setup`: roles, tables and topics."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from projections.outbox.republish import ask_anew, used_partitions
from schemas.acls import acls, commands_of
from schemas.topics import Topics
from segments.cli.command import KAFKA, Failure, actor_option, command, load_settings
from segments.cli.database import connected
from segments.cli.output import print_json
from service.kafka.clients import (
    made_with,
    partitions_there,
    set_up_topics,
    topic_faults,
    topics_of,
    wanted_config,
)
from service.kafka.transactional_producer import fenced
from service.postgres.guards import guard_faults
from service.postgres.migrate import (
    check_database,
    rename_installation,
    set_up_database,
)
from service.postgres.migrations import migrations, setup_sql
from service.registry.command_topics import allowed_topics, read_topics
from service.registry.installation import (
    find_owners,
    foreign,
    installation_name,
    mark_topics,
    read_owners,
)
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.errors import SegmentsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.runtime.settings import Settings

ROLE = "segments_operate"
_SETUP = ("setup_database_url",)


@command(needs=(*_SETUP, *KAFKA), instead={"--print": (), "--no-topics": _SETUP, "--check": _SETUP})
@click.option("--check", is_flag=True, help="Change nothing; print what is missing or unsafe.")
@click.option(
    "--print",
    "print_only",
    is_flag=True,
    help="Change nothing; print the SQL, the topics and the ACLs in Kafka.",
)
@click.option("--no-topics", is_flag=True, help="Do not touch Kafka.")
@click.option(
    "--adopt-topics",
    is_flag=True,
    help="Take the topics over from the installation that owns them; recorded in them.",
)
@click.option(
    "--new-installation",
    is_flag=True,
    help="Give this database a name of its own: it is a copy, and the original runs on.",
)
@actor_option
async def setup(
    *,
    check: bool,
    print_only: bool,
    no_topics: bool,
    adopt_topics: bool,
    new_installation: bool,
    actor: str | None,
    as_json: bool,
) -> None:
    """Create or update roles, tables and topics. It is safe to repeat the command, and to run it twice at once.

    Topics that another installation owns are not changed: this one reads their commands and writes nothing to them.
    """
    settings = load_settings()
    if (adopt_topics or new_installation) and (check or print_only or (adopt_topics and no_topics)):
        raise Failure(
            "--adopt-topics and --new-installation can't be combined with --check or --print,"
            " nor --adopt-topics with --no-topics.",
            exit_code=2,
        )
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
    if new_installation:
        done += [f"is now the installation {await rename_installation(settings)}"]
    warning = None
    if not no_topics:
        made, warning = await set_up_our_topics(settings, actor, adopt=adopt_topics)
        done += made
    if as_json:
        print_json({"done": done} | ({"warnings": [warning]} if warning else {}))
    else:
        click.echo("\n".join(done) or "nothing to do")
    if warning and not as_json:
        click.echo(f"warning: {warning}", err=True)


async def set_up_our_topics(
    settings: Settings, actor: str | None, *, adopt: bool = False, sources: Sequence[str] = ()
) -> tuple[list[str], str | None]:
    """Make and correct the topics if they are ours, or become so; gives what was done, and a warning.

    sources: further topics that commands are to come from.
    """
    async with connected(settings, ROLE) as connection:
        name = await installation_name(connection)
        allowed = await allowed_topics(connection, settings)
    prefix = Topics(settings.topic_prefix).prefix
    before = await read_owners(settings)
    owner = before.owner if before else None
    if owner is not None and owner.installation != name and not adopt:
        owners = await find_owners(settings, name, actor)  # so that their owner learns of us
        return [], f"topics {prefix}.* are left alone: {foreign(owners.owner or owner)}"
    done = await set_up_topics(settings, sorted({*allowed, *sources}))
    if owner is not None and owner.installation == name:
        return done, None
    action = "claimed" if owner is None else "adopted"
    now = (await mark_topics(settings, name, action, actor)).owner
    if now is None or now.installation != name:  # two at once
        return done, f"topics {prefix}.* are left alone: {foreign(now)}" if now else None
    if owner is None:
        return [*done, f"topics {prefix}.* are ours, the installation {name}"], None
    # Whoever told the memberships for them ends now, and all is told from here.
    async with fenced(settings, Topics(prefix, owner.installation).teller):
        pass
    async with connected(settings, ROLE) as connection:
        await ask_anew(connection, f"topics adopted from {owner.installation}", actor)
    return [*done, f"adopted topics {prefix}.* from {owner.installation} for {name}"], None


async def _check(settings: Settings, *, no_topics: bool, as_json: bool) -> None:
    warnings = await check_database(settings)
    faults = []
    if not no_topics:
        faults = [str(one) for one in await topic_faults(settings, await _sources(settings))]
        found, more = await _check_topics(settings)
        faults, warnings = faults + found, warnings + more
    async with connected(settings, ROLE) as connection:
        faults += [
            f"{one['view']}: {one['key']} should be {one['expected']}, and is {one['found']}"
            for one in await guard_faults(connection)
        ]
    if as_json:
        print_json({"warnings": warnings, "faults": faults})
    else:
        for line in [*faults, *(f"warning: {warning}" for warning in warnings)]:
            click.echo(line)
        if not faults and not warnings:
            click.echo("all is set up")
    if faults:
        raise Failure("Not set up; run `segments setup`.")


async def _check_topics(settings: Settings) -> tuple[list[str], list[str]]:
    """Say where partitions differ from the setting, and whose the topics are; gives faults and warnings."""
    faults, warnings = [], []
    topics, wanted = Topics(settings.topic_prefix), settings.topic_partitions
    async with connected(settings, ROLE) as connection:
        name = await installation_name(connection)
        used = await used_partitions(connection)
    there = await partitions_there(settings)
    for topic in (topics.commands, topics.rejected, topics.memberships):
        has = there[topic]
        if has is None or has == wanted:
            continue
        said = f"topic {topic}: has {has} partitions, and SEGMENTS_TOPIC_PARTITIONS is {wanted}"
        if topic == topics.commands and has < wanted:
            faults.append(f"{said}; run `segments setup`")
        elif topic == topics.commands:
            warnings.append(f"{said}; partitions are never taken away")
        else:
            warnings.append(f"{said}; it keeps its own, for its keys would move")
    if used is not None and there[topics.memberships] not in (None, used):
        warnings.append(
            f"topic {topics.memberships}: has {there[topics.memberships]} partitions, and its keys are shared out among"
            f" {used}; `segments memberships republish` tells it as a whole among all"
        )
    owners = await read_owners(settings) if there[topics.owner] else None
    if owners and owners.owner and owners.owner.installation != name:
        warnings.append(f"topics {topics.prefix}.*: {foreign(owners.owner)}")
    return faults, warnings


def _sql() -> list[str]:
    """What `setup` says to Postgres, in order."""
    return [
        setup_sql("roles"),
        "SET ROLE segments_owner;",
        *(f"-- {migration.name}\n{migration.sql}" for migration in migrations()),
        "RESET ROLE;",
        setup_sql("give_erasure"),
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
        partitions = made_with(settings, topic)
        lines.append(
            f"-- kafka-topics.sh --create --topic {topic} --partitions {partitions} {config}"
        )
    return lines
