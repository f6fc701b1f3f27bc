"""Which installation we are, and whose the topics of our prefix are: what writes to them asks first.

An installation is a database: the id that its `setup` made, with the server and the database that it stands in, so
that a copy is another one, but for one made file by file. Whose the topics are stands in `<prefix>.owner`, kept for
ever: the first `claimed` counts, and after it each `adopted`. Kafka's order decides between two at once
(docs/decisions/0026).
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
# So often a process looks whose the topics are; who takes them over ends the telling of memberships at once.
LOOK_SECONDS = 15
RETRY_SECONDS = 2
_NAME = "SELECT segments.installation_name()"
SQL = statements("service.registry.sql")


@dataclass(frozen=True, slots=True)
class Mark:
    """What an installation has said of the topics: claimed, adopted, or met (it came upon another's)."""

    installation: str
    action: str
    actor: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose the topics are, if anybody's, and who else came upon them."""

    owner: Mark | None
    others: tuple[Mark, ...]


async def installation_name(connection: asyncpg.Connection[Any]) -> str:
    """Give the name of this database's installation: 16 hexadecimal digits, the same for every process."""
    name: str = await connection.fetchval(_NAME)
    return name


async def read_owners(settings: Settings) -> Owners | None:
    """Read whose the topics are; None where there is no topic that could say so."""
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
    """Read a mark; None for what is none."""
    try:
        said = json.loads(record.value)
        at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        return Mark(str(said["installation"]), str(said["action"]), said.get("actor"), at)
    except (ValueError, TypeError, KeyError):
        return None


async def mark_topics(settings: Settings, name: str, action: str, actor: str | None) -> Owners:
    """Say something of the topics, and read what then counts. action: claimed, adopted or met.

    Raises: TopicError where there is no topic to say it in.
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
    """Read whose the topics are; claim them if they are nobody's; let their owner know that we came.

    Raises: TopicError where there is no topic that could say so.
    """
    owners = await read_owners(settings)
    if owners is None:
        raise TopicError(
            f"There is no topic {Topics(settings.topic_prefix).owner}; run `segments setup`."
        )
    if owners.owner is None:
        return await mark_topics(settings, name, "claimed", actor)
    if name not in (owners.owner.installation, *(one.installation for one in owners.others)):
        with suppress(*INFRASTRUCTURE):  # who may only read them says nothing
            return await mark_topics(settings, name, "met", actor)
    return owners


def foreign(owner: Mark) -> str:
    """Say in words that the topics are another installation's."""
    return (
        f"they are of the installation {owner.installation}, {owner.action} {owner.at:%Y-%m-%d %H:%M:%S} UTC"
        f" by {owner.actor or 'nobody named'}. Nothing is written there from this database;"
        " `segments setup --adopt-topics` takes them over."
    )


async def while_ours(
    database: Database,
    stop: asyncio.Event,
    work: Callable[[asyncio.Event], Awaitable[None]],
) -> None:
    """Do work that writes to the topics of our prefix, while they are ours, until `stop` is set; else stand by.

    work: is given an event that is set when it must end, because of `stop` or because the topics were taken over.
    """
    watch = _Watch(database, stop)
    while not stop.is_set():
        if not await watch.is_ours():
            await sleep_unless(stop, LOOK_SECONDS if watch.knows else RETRY_SECONDS)
            continue
        until = asyncio.Event()
        keeper = asyncio.create_task(_keep(watch, stop, until))
        try:
            await work(until)
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])


async def _keep(watch: _Watch, stop: asyncio.Event, until: asyncio.Event) -> None:
    """Set `until` with `stop`, or once the topics are not ours any more; that nobody can say so ends no work."""
    while not until.is_set():
        await sleep_unless(stop, LOOK_SECONDS)
        if stop.is_set() or (not await watch.is_ours() and watch.knows):
            until.set()


class _Watch:
    """Looks whose the topics are, and tells what is new of it. knows: whether the last look succeeded."""

    def __init__(self, database: Database, stop: asyncio.Event) -> None:
        self._supervisor = Supervisor(stop, log, "whose the topics are is not known")
        self._database = database
        self._settings = database.settings
        self._told: set[object] = set()
        self.knows = False

    async def is_ours(self) -> bool:
        self.knows = False
        try:
            async with self._database.single() as connection:
                name = await installation_name(connection)
            owners = await find_owners(self._settings, name, self._database.role)
            assert owners.owner is not None  # noqa: S101 - it was claimed
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
            # Told only: who asks decides how long to wait, and work under way goes on.
            self._supervisor.tell(error)
            return False
        self.knows = True
        self._supervisor.well()
        ours = owners.owner.installation == name
        self._tell(owners, ours=ours)
        return ours

    def _tell(self, owners: Owners, *, ours: bool) -> None:
        """Say once on either side that there are two."""
        assert owners.owner is not None  # noqa: S101 - as above
        prefix = self._settings.topic_prefix
        if not ours and owners.owner not in self._told:
            self._told.add(owners.owner)
            log.error(
                "topics of another installation", prefix=prefix, because=foreign(owners.owner)
            )
        if ours:
            for other in set(owners.others) - self._told:
                self._told.add(other)
                log.warning(
                    "another installation came upon our topics",
                    prefix=prefix, installation=other.installation, action=other.action,
                    actor=other.actor, at=other.at.isoformat(),
                )  # fmt: skip
