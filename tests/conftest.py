"""One stack a run, shared by all workers; for each test a database cloned from one template, and a topic prefix."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import hypothesis
import pytest

from service.kafka.clients import set_up_topics
from service.postgres.migrations import migrations, setup_sql
from stack import StackOptions, start_stack
from tests.support.database import make_segments
from tests.support.template import make_template, settings_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from service.runtime.settings import Settings
    from stack import Stack


# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "segments", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("segments")
_TESTS = Path(__file__).parent
_MOST_DATA = 4 * 2**30
"""More bytes than the servers' data of a run."""
_STACK = pytest.StashKey[dict[str, str]]()
"""Where the stack is that the workers of this run share."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers for each core, as most tests wait for servers more than they compute; four suffice."""
    return min(4, 2 * (os.cpu_count() or 1))


def _stack_options(environment: Mapping[str, str]) -> StackOptions:
    """Without fsync and with the data in memory: on a disk, a database for each test takes most of the time of a run.

    Only a power failure could show the difference. Tests that end servers have stacks of their own, on disk with fsync.
    """
    return replace(
        StackOptions.from_environment(environment),
        postgres_overrides={"fsync": "off", "max_wal_size": "512MB"},
        data_in=_memory(),
    )


def _memory() -> Path | None:
    """Return the folder of a file system in memory with room for a run; None if there is none."""
    folder = Path("/dev/shm")  # noqa: S108 - the stack makes a temporary folder in it
    has_room = folder.is_dir() and shutil.disk_usage(folder).free > _MOST_DATA
    return folder if has_room else None


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
    "siege/test_siege", "faults/test_servers", "faults/test_processes", "faults/test_lost_tail", "faults/",
    "dashboard/test_looks", "cli/test_seal", "http/test_streams", "examples/", "kafka/", "oracle/test_whole_service",
    "http/test_schemathesis", "http/test_fuzz", "http/test_attacks", "http/test_page_bytes", "projections/test_erasure",
    "dashboard/", "stack/", "seal/", "cli/test_start", "cli/test_import_interrupted", "runtime/test_tracing",
    "registry/test_command_topics", "ingest/", "outbox/",
    "registry/", "projections/", "operations/", "docs/", "http/", "cli/", "postgres/", "log/", "oracle/",
)  # fmt: skip
"""Files and folders of tests, those first whose files take longest. The others take seconds, and come last."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with the files that take longest, so that none of them is left for the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    path = item.path.relative_to(_TESTS).as_posix()
    places = (place for place, name in enumerate(_LONG_FIRST) if path.startswith(name))
    return next(places, len(_LONG_FIRST))


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
    asyncio.run(make_template(stack, name))
    return name


@pytest.fixture
async def database(stack: Stack, template: str) -> AsyncIterator[Settings]:
    """Settings with a database of this test's own; its topics do not exist."""
    async with _cloned(stack, template) as settings:
        yield settings


@pytest.fixture
async def second(stack: Stack, template: str) -> AsyncIterator[Settings]:
    """Another installation on the same stack: its own database, prefix and topics."""
    async with _cloned(stack, template) as settings:
        await set_up_topics(settings)
        yield settings


@contextlib.asynccontextmanager
async def _cloned(stack: Stack, template: str) -> AsyncIterator[Settings]:
    name = f"test_{uuid.uuid4().hex[:16]}"
    owner = await asyncpg.connect(stack.database_url)
    try:
        await owner.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield settings_on(stack, name, name)
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
