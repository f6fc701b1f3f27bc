"""`setup`: roles, tables and topics."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from projections.outbox.republish import request_republish, used_partitions
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
from service.kafka.transactional_producer import fencing_producer
from service.postgres.guards import guard_faults
from service.postgres.migrate import (
    check_database,
    rename_installation,
    set_up_database,
)
from service.postgres.migrations import migrations, setup_sql
from service.registry.command_topics import allowed_topics, read_topics
from service.registry.installation import (
    describe_owner,
    find_owners,
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
    help="Take the topics over from the installation that owns them. It then publishes nothing to them any more:"
    " no expiries, rejected records or memberships. Recorded in the topics.",
)
@click.option(
    "--new-installation",
    is_flag=True,
    help="Give this database a new installation name, because it is a copy and the original runs on.",
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
        done += [f"this database is now the installation {await rename_installation(settings)}"]
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
    """Create and correct the topics if this installation owns them, or can claim or adopt them.

    sources: additional command topics. Returns: what was done, and a warning or None.
    """
    async with connected(settings, ROLE) as connection:
        name = await installation_name(connection)
        allowed = await allowed_topics(connection, settings)
    prefix = Topics(settings.topic_prefix).prefix
    before = await read_owners(settings)
    owner = before.owner if before else None
    if owner is not None and owner.installation != name and not adopt:
        owners = await find_owners(settings, name, actor)  # leaves a mark for their owner
        return [], f"topics {prefix}.* are unchanged: {describe_owner(owners.owner or owner)}"
    done = await set_up_topics(settings, sorted({*allowed, *sources}))
    if owner is not None and owner.installation == name:
        return done, None
    action = "claimed" if owner is None else "adopted"
    now = (await mark_topics(settings, name, action, actor)).owner
    if now is None or now.installation != name:  # another one was faster
        return done, f"topics {prefix}.* are unchanged: {describe_owner(now)}" if now else None
    if owner is None:
        return [*done, f"topics {prefix}.* belong to this installation, {name}"], None
    # Fences the previous owner's producer of memberships; this installation publishes all of them.
    async with fencing_producer(settings, Topics(prefix, owner.installation).transactional_id):
        pass
    async with connected(settings, ROLE) as connection:
        await request_republish(connection, f"topics adopted from {owner.installation}", actor)
    adopted = (
        f"adopted topics {prefix}.* from installation {owner.installation} for this one, {name};"
        f" {owner.installation} still reads the commands, and publishes nothing to these topics any more"
    )
    return [*done, adopted], None


async def _check(settings: Settings, *, no_topics: bool, as_json: bool) -> None:
    warnings = await check_database(settings)
    faults = []
    if not no_topics:
        faults = [str(one) for one in await topic_faults(settings, await _sources(settings))]
        topic_problems, more = await _check_topics(settings)
        faults, warnings = faults + topic_problems, warnings + more
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
            click.echo("everything is set up")
    if faults:
        raise Failure("Not set up; run `segments setup`.")


async def _check_topics(settings: Settings) -> tuple[list[str], list[str]]:
    """Check the partitions and the owner of the topics; return faults and warnings."""
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
        difference = (
            f"topic {topic}: has {has} partitions, and SEGMENTS_TOPIC_PARTITIONS is {wanted}"
        )
        if topic == topics.commands and has < wanted:
            faults.append(f"{difference}; run `segments setup`")
        elif topic == topics.commands:
            warnings.append(f"{difference}; Kafka can't remove partitions")
        else:
            warnings.append(f"{difference}; setup does not add any, because keys would move")
    if used is not None and there[topics.memberships] not in (None, used):
        warnings.append(
            f"topic {topics.memberships}: has {there[topics.memberships]} partitions, and its keys use {used} of them;"
            f" `segments memberships republish` distributes them over all"
        )
    owners = await read_owners(settings) if there[topics.owner] else None
    if owners and owners.owner and owners.owner.installation != name:
        warnings.append(f"topics {topics.prefix}.*: {describe_owner(owners.owner)}")
    return faults, warnings


def _sql() -> list[str]:
    """Return the SQL of `setup`, in order."""
    return [
        setup_sql("roles"),
        "SET ROLE segments_owner;",
        *(f"-- {migration.name}\n{migration.sql}" for migration in migrations()),
        "RESET ROLE;",
        setup_sql("give_erasure"),
    ]


async def _sources(settings: Settings) -> list[str]:
    """List the additional command topics."""
    async with connected(settings, ROLE) as connection:
        return await allowed_topics(connection, settings)


async def _known_sources(settings: Settings) -> tuple[list[str], list[str]]:
    """List the additional command topics, and the revoked ones; none without a database, which is optional."""
    try:
        async with connected(settings, ROLE) as connection:
            allowed = await allowed_topics(connection, settings)
            read = await read_topics(connection, settings)
    except (*INFRASTRUCTURE, SegmentsError):
        return [], []
    return allowed, [topic for topic in read if topic not in allowed]


def _topics(settings: Settings, sources: list[str]) -> list[str]:
    """Return the topics of `setup` as commands of Kafka's tools."""
    lines = []
    for topic in topics_of(settings, sources):
        config = " ".join(f"--config {k}={v}" for k, v in wanted_config(settings, topic).items())
        partitions = made_with(settings, topic)
        lines.append(
            f"-- kafka-topics.sh --create --topic {topic} --partitions {partitions} {config}"
        )
    return lines
