"""A stack of the fault tests' own in each worker, whose parts may be stopped and killed."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest

from service.kafka.clients import set_up_topics
from service.runtime.environment import read_settings
from service.runtime.secret import SecretStr
from stack import StackOptions, start_stack
from tests.support.template import make_template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.runtime.settings import Settings
    from stack import Stack


@pytest.fixture(scope="package")
def own_stack() -> Iterator[Stack]:
    """A stack that no other worker uses: a test may stop and kill its parts, and starts them again."""
    with start_stack(StackOptions()) as started:
        yield started


@pytest.fixture(scope="package")
def own_template(own_stack: Stack) -> str:
    """A database that is set up, to be cloned."""
    name = "segments_template"
    asyncio.run(make_template(own_stack, name))
    return name


@pytest.fixture
async def faulty(own_stack: Stack, own_template: str) -> Settings:
    """Settings on the stack that may be killed, with a database and topics of this test's own."""
    name = f"fault_{uuid.uuid4().hex[:12]}"
    base, _, _ = own_stack.database_url.rpartition("/")
    owner = await asyncpg.connect(own_stack.database_url)
    await owner.execute(f"CREATE DATABASE {name} TEMPLATE {own_template}")
    await owner.close()
    settings = read_settings(
        database_url=SecretStr(f"{base}/{name}"),
        kafka_bootstrap_servers=own_stack.bootstrap_servers,
        topic_prefix=name,
        topic_partitions=4,
        ingest_batch_records=200,
        project_batch_records=300,
    )
    await set_up_topics(settings)
    return settings
