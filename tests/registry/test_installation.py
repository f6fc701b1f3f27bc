"""Two databases on one Kafka and prefix: each reads everything, one of them writes, and both sides are told."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest
import structlog

from projections.fold.worker import project
from projections.outbox.expiries import publish_expiries
from projections.outbox.memberships import publish_memberships
from schemas.topics import Topics
from service.ingest.role import ingest
from service.outbox.rejected import publish_rejected
from service.registry import installation
from service.runtime.secret import SecretStr
from tests.outbox.test_memberships import last_words
from tests.support.command_line import run
from tests.support.database import folded, make_segments, rows, sound, until, value
from tests.support.kafka import NewRecord, publish, read_topic
from tests.support.roles import service
from tests.support.waiting import holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings
    from stack import Stack

pytestmark = pytest.mark.stack
EVERY_ROLE = (ingest, publish_rejected, project, publish_memberships, publish_expiries)
TOLD = "SELECT count(*) FROM segments.topics_owner"


@asynccontextmanager
async def copied(stack: Stack, settings: Settings) -> AsyncIterator[Settings]:
    """Copy the database under another name of the same server; the prefix stays."""
    base, _, source = settings.database_url.get_secret_value().rpartition("/")  # type: ignore[union-attr]
    name = f"copy_{uuid.uuid4().hex[:16]}"
    owner = await asyncpg.connect(stack.database_url)
    try:
        # A session that was closed just now may still be there for a moment, and no copy is made until it is gone.
        here = "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = $1"
        await holds(lambda: owner.fetchval(here, source))
        await owner.execute(f"CREATE DATABASE {name} TEMPLATE {source}")
        yield settings.model_copy(update={"database_url": SecretStr(f"{base}/{name}")})
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await owner.close()


@pytest.fixture
async def copy(stack: Stack, ready: Settings) -> AsyncIterator[Settings]:
    """A copy of a database that has read and told something, whose topics are its own."""
    made = await run(ready, "setup", "--actor", "ann", "--json")
    assert any("belong to this installation" in line for line in made.json["done"]), made.json
    await publish(ready, [NewRecord(user=f"u{n}", lane=n % 4) for n in range(8)])
    async with service(ready, *EVERY_ROLE):
        await folded(ready)
        await holds(lambda: _told(ready, 8))
    async with copied(stack, ready) as settings:
        yield settings


async def _told(settings: Settings, count: int) -> bool:
    return len(await last_words(settings)) == count


async def _refusal_told(settings: Settings) -> bool:
    return bool(await read_topic(settings, Topics(settings.topic_prefix).rejected))


async def test_a_copy_reads_everything_and_takes_nothing_away(
    ready: Settings, copy: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "LOOK_SECONDS", 0.2)
    with structlog.testing.capture_logs() as lines:
        async with service(ready, *EVERY_ROLE), service(copy, *EVERY_ROLE):
            await until(copy, TOLD)
            await until(ready, TOLD)
            records = [NewRecord(user=f"new {n}", lane=n % 4) for n in range(40)]
            await publish(ready, [*records, NewRecord(b"no JSON", lane=0)])
            await asyncio.gather(folded(ready), folded(copy))
            await holds(lambda: _told(ready, 48))
            await holds(lambda: _refusal_told(ready))
            await holds(lambda: _met(lines))
    for settings in (ready, copy):
        assert await value(settings, "SELECT count(*) FROM segments.event") == 48
        await sound(settings)
    assert len(await read_topic(ready, Topics(ready.topic_prefix).rejected)) == 1
    # Once, though three outboxes of each installation stand by or publish.
    (refused,) = [line for line in lines if line["event"] == "topics of another installation"]
    assert refused["log_level"] == "error"
    assert "setup --adopt-topics" in refused["because"]
    shown = await run(copy, "status", "--json")
    assert shown.json["topics_owner"]["is_ours"] is False
    assert "another installation" in " ".join(shown.json["warnings"])
    assert (await run(ready, "status", "--json")).json["topics_owner"]["is_ours"] is True


async def _met(lines: list[structlog.typing.EventDict]) -> bool:
    """Whether the owner was told as well."""
    return any(line["event"] == "another installation uses the same topics" for line in lines)


async def test_status_names_the_owner_of_the_topics_before_any_process_ran(
    stack: Stack, ready: Settings
) -> None:
    await run(ready, "setup", "--actor", "ann")
    async with copied(stack, ready) as copy:
        shown = (await run(copy, "status", "--json")).json
        plain = (await run(copy, "status")).out
        quiet = (await run(copy, "status", "--json", SEGMENTS_KAFKA_BOOTSTRAP_SERVERS=None)).json
    assert (shown["topics_owner"]["is_ours"], shown["topics_owner"]["actor"]) == (False, "ann")
    assert any("another installation" in warning for warning in shown["warnings"])
    assert "owner of the topics: another installation, " in plain
    assert quiet["topics_owner"] is None
    assert (await run(ready, "status", "--json")).json["topics_owner"]["is_ours"] is True


async def test_setup_of_a_copy_leaves_the_topics_alone_until_it_adopts_them(
    ready: Settings, copy: Settings
) -> None:
    other = copy.model_copy(update={"topic_retention_days": 3, "topic_partitions": 6})
    left = await run(other, "setup", "--json")
    assert left.code == 0
    assert "are unchanged" in left.json["warnings"][0]
    checked = await run(ready, "setup", "--check")
    assert checked.code == 0
    assert "topic" not in checked.out
    wrong = await run(other, "setup", "--adopt-topics", "--check")
    assert wrong.code == 2
    adopted = await run(copy, "setup", "--adopt-topics", "--actor", "bob", "--json")
    assert "adopted topics" in adopted.json["done"][-1]
    assert "publishes nothing to these topics any more" in adopted.json["done"][-1]
    with structlog.testing.capture_logs() as lines:
        async with service(ready, publish_memberships), service(copy, *EVERY_ROLE):
            await publish(ready, [NewRecord(user="later", lane=0)])
            await folded(copy)
            await holds(lambda: _told(copy, 9))
            await holds(lambda: _refused(lines))
    (owner,) = await rows(copy, "SELECT * FROM segments.topics_owner")
    assert owner["actor"] == "bob"
    assert (await run(copy, "verify", "--memberships")).code == 0


async def _refused(lines: list[structlog.typing.EventDict]) -> bool:
    return any(line["event"] == "topics of another installation" for line in lines)


async def test_two_that_claim_at_once_have_one_owner(stack: Stack, settings: Settings) -> None:
    async with copied(stack, settings) as other:
        await asyncio.gather(*(run(one, "setup", "--json") for one in (settings, other)))
        checked = [await run(one, "setup", "--check", "--json") for one in (settings, other)]
    foreign = [
        one for one in checked if "belong to the installation" in " ".join(one.json["warnings"])
    ]
    assert len(foreign) == 1


async def test_a_copy_made_file_by_file_takes_a_name_of_its_own(ready: Settings) -> None:
    """Nothing else tells it from a replica that was promoted, or a restored backup."""
    name = await value(ready, "SELECT segments.installation_name()")
    assert await value(ready, "SELECT segments.installation_name()") == name
    done = (await run(ready, "setup", "--new-installation", "--json")).json["done"]
    assert await value(ready, "SELECT segments.installation_name()") != name
    assert any("is now the installation" in line for line in done)


async def test_without_the_topic_that_says_whose_they_are_nothing_is_told_until_it_is_there(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands are read all the same."""
    from tests.support.topics import make_commands  # noqa: PLC0415

    monkeypatch.setattr(installation, "RETRY_SECONDS", 0.1)
    await make_segments(database)
    await make_commands(database)
    with structlog.testing.capture_logs() as lines:
        async with service(database, ingest, publish_rejected):
            await publish(database, [NewRecord(b"no JSON", lane=0)])
            await until(database, "SELECT count(*) FROM segments.rejected")
            await holds(lambda: _unknown(lines))
            assert (await run(database, "setup")).code == 0
            await until(database, "SELECT max(next_offset) FROM segments.rejected_outbox")
    assert len(await read_topic(database, Topics(database.topic_prefix).rejected)) == 1


async def _unknown(lines: list[structlog.typing.EventDict]) -> bool:
    return any("segments setup" in str(line.get("error")) for line in lines)
