"""One stack a run, shared by all workers; for each test a database cloned from one template, and a topic prefix."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
import hypothesis
import pytest

from service.kafka.clients import set_up_topics
from service.postgres.migrate import set_up_database
from service.postgres.migrations import migrations, setup_sql
from service.runtime.environment import read_settings
from service.runtime.settings import SecretStr, Settings
from stack import StackOptions, start_stack
from tests.support.database import make_segments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from stack import Stack


# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "segments", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("segments")
_STACK = pytest.StashKey[dict[str, str]]()
"""Where the stack is that the workers of this run share."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers for each core, as most tests wait for servers more than they compute; four suffice."""
    return min(4, 2 * (os.cpu_count() or 1))


def _stack_options(environment: Mapping[str, str]) -> StackOptions:
    """Without fsync, which would take most of the time of a database for each test.

    Only a power failure could show the difference. Tests that end servers have stacks of their own, with fsync.
    """
    return replace(StackOptions.from_environment(environment), postgres_overrides={"fsync": "off"})


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Start one stack for all workers before the first of them, and tell each where it is."""
    config: pytest.Config = node.config
    if _STACK not in config.stash:
        closing = contextlib.ExitStack()
        config.add_cleanup(closing.close)
        started = closing.enter_context(start_stack(_stack_options(os.environ)))
        config.stash[_STACK] = {
            "SEGMENTS_DATABASE_URL": started.database_url,
            "SEGMENTS_KAFKA_BOOTSTRAP_SERVERS": started.bootstrap_servers,
        }
    node.workerinput["stack"] = config.stash[_STACK]


_LONG_FIRST = (
    "siege", "faults", "ingest", "outbox", "operations", "cli", "postgres", "kafka",
    "docs", "stack", "http", "registry", "projections", "log",
)  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with the folders whose files take long, so that none of them is left for the end."""
    if hasattr(config, "workerinput"):
        places = {name: place for place, name in enumerate(_LONG_FIRST)}
        items.sort(key=lambda item: places.get(item.path.parent.name, 0))


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A real Kafka and a real Postgres: the workers' one, those of the environment, or started for this run."""
    shared: dict[str, str] = getattr(request.config, "workerinput", {}).get("stack", {})
    with start_stack(_stack_options(os.environ | shared)) as started:
        yield started


@pytest.fixture(scope="session")
def template(stack: Stack) -> str:
    """A database that is set up, to be cloned; named by what it was made from."""
    text = "".join(migration.sql for migration in migrations()) + setup_sql("roles")
    name = f"segments_template_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    asyncio.run(_make_template(stack, name))
    return name


async def _make_template(stack: Stack, name: str) -> None:
    owner = await asyncpg.connect(stack.database_url)
    try:
        # Whoever comes second waits until it is whole; the lock ends with the session.
        await owner.execute("SELECT pg_advisory_lock(hashtext('segments tests'' template'))")
        if not await owner.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", name):
            making = f"{name}_making"
            await owner.execute(f"DROP DATABASE IF EXISTS {making} WITH (FORCE)")
            await owner.execute(f"CREATE DATABASE {making}")
            await set_up_database(_settings(stack, making, "template"))
            await owner.execute(f"ALTER DATABASE {making} RENAME TO {name}")
    finally:
        await owner.close()


def _settings(stack: Stack, database: str, prefix: str) -> Settings:
    base, _, _ = stack.database_url.rpartition("/")
    return read_settings(
        database_url=SecretStr(f"{base}/{database}"),
        kafka_bootstrap_servers=stack.bootstrap_servers,
        topic_prefix=prefix,
        topic_partitions=4,
        signing_key=SecretStr("the tests' signing key, of no use elsewhere"),
    )


@pytest.fixture
async def database(stack: Stack, template: str) -> AsyncIterator[Settings]:
    """Settings with a database of this test's own; its topics do not exist."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    owner = await asyncpg.connect(stack.database_url)
    try:
        await owner.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield _settings(stack, name, name)
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await owner.close()


@pytest.fixture
async def settings(database: Settings) -> Settings:
    """Settings with a database and topics of this test's own."""
    await set_up_topics(database)
    return database


@pytest.fixture
async def ready(settings: Settings) -> Settings:
    """The same with segment 1 of network n."""
    await make_segments(settings)
    return settings
