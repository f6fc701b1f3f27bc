"""The installation under siege: servers of its own, processes of the service, networks, keys, logins."""

from __future__ import annotations

import uuid
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg
from aiokafka.admin import NewTopic

from service.kafka.clients import set_up_topics
from service.postgres.database import database_url
from service.postgres.migrate import set_up_database
from service.registry import analysts
from service.registry.api_keys import Scope, create_key
from service.runtime.environment import read_settings
from service.runtime.secret import SecretStr
from stack import StackOptions, start_stack
from stack.ports import free_port
from tests.siege.hostile.target import BAD, GOOD, HOT, LARGE, Target
from tests.siege.memory import Watched
from tests.support.command_line import run
from tests.support.database import connected, folded, make_segments
from tests.support.kafka import NewRecord, publish
from tests.support.roles import Process
from tests.support.topics import administered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings
    from stack import Stack

ROLES = ("api", "ingest", "ingest", "project", "project")
SEGMENTS = {GOOD: (1, 2, 3), BAD: (LARGE, HOT, 3, 4, 5)}
LANES = 4
START_SECONDS = 600.0
"""Far more than all processes take to start at once on a busy machine."""
_EVERYTHING = frozenset(Scope)


@dataclass
class Site:
    """A running installation. running: its processes, replaced as they end. keys: an API key of each network."""

    stack: Stack
    settings: Settings
    keys: dict[str, str] = field(default_factory=dict)
    logins: dict[str, str] = field(default_factory=dict)
    running: list[Process] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)

    @property
    def bounded(self) -> str:
        """Name the topic that may speak for the hostile network alone."""
        return f"{self.settings.topic_prefix}.of-{BAD}"

    def start(self, role: str) -> Process:
        """Start a process of a role, and watch its memory."""
        # Each Postgres backend has a session of its own: all roles in one would weigh as much as one of them.
        process = Process(self.settings, role, own_session=True)
        self.running.append(process)
        self.watched.append(Watched(role, process.pid))
        return process

    def replace(self, process: Process) -> None:
        """End a process with SIGKILL and start another in its place."""
        self.running.remove(process)
        process.kill()
        self.start(process.role)

    def ended(self) -> list[str]:
        """Name the processes that ended by themselves, and what each said last."""
        return [
            f"{one.role} {one.pid} ended: {one.output()[-500:]}"
            for one in self.running
            if not one.running
        ]

    def target(self, seed: int, seconds: float, *, gives_way: bool) -> Target:
        """Give what a hostile tenant knows."""
        return Target(
            self.settings.http_port, self.keys[BAD], self.logins[BAD], self.bounded, seed, seconds,
            gives_way,
        )  # fmt: skip


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """Start servers, set up an installation with two networks, run its processes; all ends with the block."""
    with ExitStack() as closing:
        stack = closing.enter_context(start_stack(StackOptions()))
        made = Site(stack, await _set_up(stack))
        try:
            await _fill(made)
            for role in ROLES:
                made.start(role)
            await made.running[0].wait_for_output("serving", START_SECONDS)
            yield made
        finally:
            for process in made.running:
                if process.running:
                    process.resume()
                    process.kill()


async def _set_up(stack: Stack) -> Settings:
    name = f"siege_{uuid.uuid4().hex[:8]}"
    base, _, _ = stack.database_url.rpartition("/")
    owner = await asyncpg.connect(stack.database_url)
    await owner.execute(f"CREATE DATABASE {name}")
    await owner.close()
    settings = read_settings(
        database_url=SecretStr(f"{base}/{name}"),
        kafka_bootstrap_servers=stack.bootstrap_servers,
        topic_prefix=name,
        topic_partitions=LANES,
        signing_key=SecretStr("the key under siege, 32 characters long"),
        http_port=free_port(),
    )
    await set_up_database(settings)
    await set_up_topics(settings)
    return settings


async def _fill(site: Site) -> None:
    """Make segments, keys, an analyst of each network, and the topic that is bounded to one."""
    settings = site.settings
    await make_segments(
        settings, [(n, number) for n, found in SEGMENTS.items() for number in found]
    )
    async with connected(settings) as connection:
        for network in (GOOD, BAD):
            _, site.keys[network] = await create_key(
                connection, network_id=network, scopes=_EVERYTHING, name=network
            )
            site.logins[network] = await _analyst(site, connection, network)
    async with administered(settings) as client:
        config = {"message.timestamp.type": "LogAppendTime"}
        await client.create_topics([NewTopic(site.bounded, LANES, 1, topic_configs=config)])
    allowed = await run(
        settings, "source", "allow", "--topic", site.bounded, "--networks", BAD, "--actor", "siege"
    )
    assert allowed.code == 0, allowed.err


async def _analyst(site: Site, connection: asyncpg.Connection[asyncpg.Record], network: str) -> str:
    role = f"analyst_{network}_{uuid.uuid4().hex[:8]}"
    await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    # As an operator of two cores is told to: sessions of analysts have no more than half of them.
    await analysts.grant(site.settings, role, network, connection_limit=1)
    base, _, name = database_url(site.settings).rpartition("/")
    address = base.rpartition("@")[2].rpartition("//")[2]
    return f"postgresql://{role}:pw@{address}/{name}"


async def furnish(site: Site, members: int, events: int) -> None:
    """Let the hostile network have a segment of many members, and a key of many events."""
    start = 1_500_000_000
    for first in range(0, members, 5000):
        many = range(first, min(first + 5000, members))
        await publish(
            site.settings,
            [_record(f"m{n}", LARGE, start, f"member {n}") for n in many],
        )
    for first in range(0, events, 5000):
        many = range(first, min(first + 5000, events))
        await publish(site.settings, [_record("hot", HOT, start + n, f"hot {n}") for n in many])
    await folded(site.settings)


def _record(user: str, segment: int, at: int, reference: str) -> NewRecord:
    return NewRecord(
        network_id=BAD, user=user, segment_id=segment, status_change_timestamp=at,
        reference_id=reference,
    )  # fmt: skip
