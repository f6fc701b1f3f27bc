"""Command topics, the commands that each may carry, and every change as an event with actor and time.

The state is the newest event of each topic. `<prefix>.commands` is always read, and allows all commands until an event
restricts it. A change increments `source_version`, so that it applies from the next append on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.topics import Topics
from service.postgres.database import statements
from service.registry.topic_rules import Rule
from service.runtime.errors import NotThereError, RefusedError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    import asyncpg

    from service.runtime.settings import Settings

SQL = statements("service.registry.sql")


@dataclass(frozen=True, slots=True)
class Source:
    """The rules of one topic, now or after a change.

    change: allowed, revoked or closed. networks, statuses: None for all. changed_at, actor: None if never changed.
    """

    topic: str
    topic_prefix: str
    change: str
    networks: list[str] | None
    statuses: list[str] | None
    changed_at: datetime | None
    actor: str | None


async def rules_version(connection: asyncpg.Connection[Any]) -> int:
    """Give the number that moves with each change of what a topic may say."""
    version: int = await connection.fetchval(SQL["rules_version"])
    return version


async def load_rules(connection: asyncpg.Connection[Any]) -> dict[str, Rule]:
    """Read what each topic may say; one that is not here may say nothing, but for `<prefix>.commands`."""
    rows = await connection.fetch(SQL["source_rules"])
    return {
        row["topic"]: Rule(
            _frozen(row["networks"]), _frozen(row["statuses"]), row["change"] == "allowed"
        )
        for row in rows
    }


def _frozen(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


async def list_sources(
    connection: asyncpg.Connection[Any], settings: Settings, *, history: bool = False
) -> list[Source]:
    """List the installation's command topics, or all changes to them, oldest first."""
    commands = Topics(settings.topic_prefix).commands
    rows = await connection.fetch(
        SQL["source_history"] if history else SQL["list_sources"], settings.topic_prefix
    )
    sources = [Source(**dict(row)) for row in rows]
    if not history and all(one.topic != commands for one in sources):
        sources.insert(
            0, Source(commands, settings.topic_prefix, "allowed", None, None, None, None)
        )
    return sources


async def all_topics(connection: asyncpg.Connection[Any], settings: Settings) -> list[str]:
    """List the topics with lanes of this installation: all that are or ever were read."""
    return [one.topic for one in await list_sources(connection, settings)]


async def read_topics(connection: asyncpg.Connection[Any], settings: Settings) -> list[str]:
    """List the topics that are read, including revoked ones, whose records are rejected."""
    return [one.topic for one in await list_sources(connection, settings) if one.change != "closed"]


async def allowed_topics(connection: asyncpg.Connection[Any], settings: Settings) -> list[str]:
    """List the topics besides `<prefix>.commands` that must exist in Kafka."""
    commands = Topics(settings.topic_prefix).commands
    sources = await list_sources(connection, settings)
    return [one.topic for one in sources if one.change == "allowed" and one.topic != commands]


async def allow(
    connection: asyncpg.Connection[Any],
    settings: Settings,
    topic: str,
    *,
    networks: Collection[str] | None = None,
    statuses: Collection[str] | None = None,
    actor: str | None = None,
) -> Source:
    """Replace the rule of a topic; None for all. The same rule again is no change.

    Raises: WrongUseError for a topic that the service writes itself, RefusedError for one that another installation
    reads.
    """
    topics = Topics(settings.topic_prefix)
    if topic in {topics.rejected, topics.memberships}:
        raise WrongUseError(
            f"{topic} is written by the service itself, and can't be a command topic."
        )
    wanted = ("allowed", _sorted(networks), _sorted(statuses))
    async with connection.transaction():
        now = await _lock(connection, settings, topic)
        if now is not None and (now.change, now.networks, now.statuses) == wanted:
            return now
        return await _record(connection, settings, topic, *wanted, actor)


def _sorted(names: Collection[str] | None) -> list[str] | None:
    return None if names is None else sorted(set(names))


async def revoke(
    connection: asyncpg.Connection[Any], settings: Settings, topic: str, actor: str | None = None
) -> Source:
    """Reject all commands of a topic from now on. It is still read. Idempotent.

    Raises: NotThereError for a topic that never was a source.
    """
    async with connection.transaction():
        now = await _lock(connection, settings, topic)
        if now is None and topic != Topics(settings.topic_prefix).commands:
            raise NotThereError(f"{topic} is not a source; see `segments source list`.")
        if now is not None and now.change != "allowed":
            return now
        networks, statuses = (now.networks, now.statuses) if now else (None, None)
        return await _record(connection, settings, topic, "revoked", networks, statuses, actor)


async def close(
    connection: asyncpg.Connection[Any], settings: Settings, topic: str, actor: str | None = None
) -> Source:
    """Stop reading a revoked topic that was deleted in Kafka; ingest then closes its lanes. Idempotent.

    The caller has checked that it is deleted.
    Raises: RefusedError for a topic that was not revoked, WrongUseError for `<prefix>.commands`.
    """
    if topic == Topics(settings.topic_prefix).commands:
        raise WrongUseError(f"{topic} is the service's own topic, and always read.")
    async with connection.transaction():
        now = await _lock(connection, settings, topic)
        if now is None or now.change == "allowed":
            raise RefusedError(f"{topic} must be revoked first: `segments source revoke`.")
        if now.change == "closed":
            return now
        return await _record(
            connection, settings, topic, "closed", now.networks, now.statuses, actor
        )


async def _lock(
    connection: asyncpg.Connection[Any], settings: Settings, topic: str
) -> Source | None:
    """Lock the sources against other changes, and give how the topic stands."""
    await connection.execute(SQL["lock_sources"])
    row = await connection.fetchrow(
        SQL["find_source"],
        topic,
    )
    if row is not None and row["topic_prefix"] != settings.topic_prefix:
        raise RefusedError(f"{topic} is read by the installation {row['topic_prefix']}.")
    return None if row is None else Source(**dict(row))


async def _record(
    connection: asyncpg.Connection[Any],
    settings: Settings,
    topic: str,
    change: str,
    networks: list[str] | None,
    statuses: list[str] | None,
    actor: str | None,
) -> Source:
    """Move the version, so that appends look again, and record the change."""
    await connection.execute(SQL["move_rules"])
    row = await connection.fetchrow(
        SQL["record_source"], topic, settings.topic_prefix, change, networks, statuses, actor
    )
    assert row is not None  # noqa: S101 - there is one version
    return Source(**dict(row))
