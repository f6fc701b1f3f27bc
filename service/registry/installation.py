"""The name of this installation, and the ownership of the topics, which is checked before the service writes to them.

An installation is a database. Its name is derived from the id that `setup` created, the server and the database, so
that a copy is another installation (except a copy of the files). Topic `<prefix>.owner`, with unlimited retention,
records the owner: the first `claimed` record, and after it each `adopted` one. Kafka's order decides between concurrent
claims (docs/decisions/0026).
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from schemas.topics import Topics
from service.kafka.clients import producing, reading
from service.kafka.topic_ids import topics_there
from service.postgres.database import statements
from service.runtime.backoff import INFRASTRUCTURE, sleep_unless
from service.runtime.errors import TopicError
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

    from service.postgres.database import Database
    from service.runtime.settings import Settings

log = get_logger("installation")
# The interval at which a process checks the ownership. An adoption fences the publisher of memberships at once.
LOOK_SECONDS = 15
RETRY_SECONDS = 2
_NAME = "SELECT segments.installation_name()"
SQL = statements("service.registry.sql")


@dataclass(frozen=True, slots=True)
class Mark:
    """A record of an installation in the owner topic: claimed, adopted, or met (it found another owner)."""

    installation: str
    action: str
    actor: str | None
    at: datetime


# Per process, because several outboxes check the same topics.
_logged: set[tuple[str, Mark]] = set()


@dataclass(frozen=True, slots=True)
class Owners:
    """The owner of the topics, if any, and the other installations that found them."""

    owner: Mark | None
    others: tuple[Mark, ...]


async def installation_name(connection: asyncpg.Connection[Any]) -> str:
    """Return the name of this database's installation: 16 hexadecimal digits, the same for every process."""
    name: str = await connection.fetchval(_NAME)
    return name


async def read_owners(settings: Settings) -> Owners | None:
    """Read the owner of the topics; None if there is no owner topic."""
    topic = Topics(settings.topic_prefix).owner
    async with reading(settings) as reader:
        if (await topics_there(reader._client, [topic]))[topic] is None:  # noqa: SLF001
            return None
        partition = TopicPartition(topic, 0)
        reader.assign([partition])
        end = (await reader.end_offsets([partition]))[partition]
        await reader.seek_to_beginning(partition)
        marks: list[Mark] = []
        while await reader.position(partition) < end:
            records = (await reader.getmany(partition, timeout_ms=500)).get(partition, ())
            marks += [mark for record in records if (mark := _read(record)) is not None]
    return _fold(marks)


def _fold(marks: list[Mark]) -> Owners:
    owner: Mark | None = None
    for mark in marks:
        if mark.action == "adopted" or (mark.action == "claimed" and owner is None):
            owner = mark
    others = {m.installation: m for m in marks if owner and m.installation != owner.installation}
    return Owners(owner, tuple(others.values()))


def _read(record: Any) -> Mark | None:
    """Parse a mark; None for any other record."""
    try:
        value = json.loads(record.value)
        at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        return Mark(str(value["installation"]), str(value["action"]), value.get("actor"), at)
    except (ValueError, TypeError, KeyError):
        return None


async def mark_topics(settings: Settings, name: str, action: str, actor: str | None) -> Owners:
    """Write a mark, and read the resulting owners. action: claimed, adopted or met.

    Raises: TopicError if there is no owner topic.
    """
    topic = Topics(settings.topic_prefix).owner
    value = {"installation": name, "action": action, "actor": actor}
    async with producing(settings, linger_ms=0) as producer:
        await producer.send_and_wait(topic, json.dumps(value).encode(), name.encode(), partition=0)
    owners = await read_owners(settings)
    if owners is None:
        raise TopicError(f"There is no topic {topic}; run `segments setup`.")
    return owners


async def find_owners(settings: Settings, name: str, actor: str | None) -> Owners:
    """Read the owner of the topics. Claim them if they have none; else write a `met` mark for their owner.

    Raises: TopicError if there is no owner topic.
    """
    owners = await read_owners(settings)
    if owners is None:
        raise TopicError(
            f"There is no topic {Topics(settings.topic_prefix).owner}; run `segments setup`."
        )
    if owners.owner is None:
        return await mark_topics(settings, name, "claimed", actor)
    if name not in (owners.owner.installation, *(one.installation for one in owners.others)):
        with suppress(*INFRASTRUCTURE):  # a login that may only read writes no mark
            return await mark_topics(settings, name, "met", actor)
    return owners


def describe_owner(owner: Mark) -> str:
    """Describe the other installation that owns the topics."""
    return (
        f"they belong to the installation {owner.installation}, {owner.action} {owner.at:%Y-%m-%d %H:%M:%S} UTC"
        f" by {owner.actor or 'an unnamed actor'}. This database writes nothing to them;"
        " `segments setup --adopt-topics` takes them over."
    )


async def while_owner(
    database: Database,
    stop: asyncio.Event,
    work: Callable[[asyncio.Event], Awaitable[None]],
) -> None:
    """Run work that writes to the topics while this installation owns them, until `stop` is set; else stand by.

    work: its event is set when it must end, because of `stop` or because the topics were adopted by another
    installation.
    """
    ownership = _Ownership(database, stop)
    while not stop.is_set():
        if not await ownership.is_held():
            await sleep_unless(stop, LOOK_SECONDS if ownership.is_known else RETRY_SECONDS)
            continue
        until = asyncio.Event()
        keeper = asyncio.create_task(_keep(ownership, stop, until))
        try:
            await work(until)
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])


async def _keep(ownership: _Ownership, stop: asyncio.Event, until: asyncio.Event) -> None:
    """Set `until` with `stop`, or when the ownership is lost. A failed check does not end the work."""
    while not until.is_set():
        await sleep_unless(stop, LOOK_SECONDS)
        if stop.is_set() or (not await ownership.is_held() and ownership.is_known):
            until.set()


class _Ownership:
    """Checks the ownership of the topics and logs changes. is_known: whether the last check succeeded."""

    def __init__(self, database: Database, stop: asyncio.Event) -> None:
        self._supervisor = Supervisor(stop, log, "ownership of topics unknown")
        self._database = database
        self._settings = database.settings
        self.is_known = False

    async def is_held(self) -> bool:
        self.is_known = False
        try:
            async with self._database.single() as connection:
                name = await installation_name(connection)
            owners = await find_owners(self._settings, name, self._database.role)
            assert owners.owner is not None  # noqa: S101 - find_owners claims them
            async with self._database.single() as connection:
                owner = owners.owner
                await connection.execute(
                    SQL["note_owner"],
                    self._settings.topic_prefix,
                    owner.installation,
                    owner.at,
                    owner.actor,
                )
        except (*INFRASTRUCTURE, TopicError) as error:
            # Only logged: the caller decides how long to wait, and running work continues.
            self._supervisor.log_error(error)
            return False
        self.is_known = True
        self._supervisor.succeeded()
        is_owner = owners.owner.installation == name
        self._log(owners, is_owner=is_owner)
        return is_owner

    def _log(self, owners: Owners, *, is_owner: bool) -> None:
        """Log once, on either side, that there are two installations."""
        assert owners.owner is not None  # noqa: S101 - as above
        prefix = self._settings.topic_prefix
        if not is_owner and (prefix, owners.owner) not in _logged:
            _logged.add((prefix, owners.owner))
            log.error(
                "topics of another installation",
                prefix=prefix,
                because=describe_owner(owners.owner),
            )
        if is_owner:
            for other in owners.others:
                if (prefix, other) in _logged:
                    continue
                _logged.add((prefix, other))
                log.warning(
                    "another installation uses the same topics",
                    prefix=prefix, installation=other.installation, action=other.action,
                    actor=other.actor, at=other.at.isoformat(),
                )  # fmt: skip
