"""`drill restore`: a copy is restored and checked, and neither the source nor Kafka notices."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from schemas.topics import Topics
from service.kafka.clients import producing, reading
from service.postgres.database import database_url, open_database
from service.postgres.dump import dump
from service.seal.folder import Folder
from service.seal.note import Signer
from service.seal.role import ROLE as SEAL
from service.seal.sealer import Sealer
from stack.postgres_binaries import postgres_binaries
from tests.seal.conftest import quieten
from tests.support.command_line import run
from tests.support.database import GUARDED, UNGUARDED, connected, folded, rows, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.roles import service
from tests.support.template import settings_on
from tests.support.topics import administered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from service.runtime.settings import Settings
    from stack import Stack

pytestmark = pytest.mark.stack
TABLES = """
SELECT string_agg(
    format('SELECT %L AS name, md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM %s AS t',
        c.oid::regclass, c.oid::regclass), ' UNION ALL '
)
FROM pg_class AS c WHERE c.relkind = 'r' AND c.relnamespace IN ('segments'::regnamespace, 'projections'::regnamespace)
"""


@pytest.fixture
async def copy(
    stack: Stack, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Settings]:
    """An empty database beside the test's own; Postgres' programs are on the PATH."""
    monkeypatch.setenv("PATH", f"{postgres_binaries(os.environ)}:{os.environ['PATH']}")
    name = f"{database.topic_prefix}_copy"
    async with connected(database) as owner:
        await owner.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield settings_on(stack, name, database.topic_prefix)
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def source(ready: Settings, tmp_path: Path) -> Settings:
    """An installation with four events, three of them sealed, and two records that nobody has read."""
    settings = ready.model_copy(
        update={"seal_dir": tmp_path / "log", "seal_origin": "example.com/drill"}
    )
    (tmp_path / "log").mkdir()
    sent = ["ann", "ben", "cleo"]
    async with service(settings):
        await publish(settings, [NewRecord(lane=n, user=user) for n, user in enumerate(sent)])
        await folded(settings)
        await quieten(settings)
        async with (
            open_database(settings, SEAL, 3) as database,
            producing(settings, linger_ms=0) as producer,
        ):
            signer = Signer.generate("example.com/drill")
            await Sealer(database, producer, Folder(tmp_path / "log"), signer).run_round()
        await publish(settings, [NewRecord(lane=0, user="dora")])
        await folded(settings)
        await until(settings, "SELECT complete_until FROM reporting.watermark")
    await publish(settings, [NewRecord(lane=3, user=user) for user in ("emil", "fay")])
    return settings


async def all_there_is(settings: Settings) -> tuple[Any, Any]:
    """Return what is in each table, and where each topic of the service ends."""
    tables = await rows(settings, await value(settings, TABLES))
    topics = Topics(settings.topic_prefix)
    names = (topics.commands, topics.rejected, topics.memberships, topics.owner, topics.checkpoints)
    async with reading(settings) as reader:
        places = [
            TopicPartition(name, number)
            for name in names
            for number in range(1 if name in (topics.owner, topics.checkpoints) else 4)
        ]
        reader.assign(places)
        return tables, await reader.end_offsets(places)


async def drill(settings: Settings, copy: Settings, *more: str) -> Any:
    return await run(settings, "drill", "restore", "--to", database_url(copy), *more)


async def test_a_copy_is_restored_and_checked_while_nothing_else_is_touched(
    source: Settings, copy: Settings
) -> None:
    before = await all_there_is(source)
    done = await drill(source, copy, "--json")
    assert (done.code, done.err) == (0, "")
    report = done.json
    assert report["held"]
    names = [step["name"] for step in report["steps"]]
    assert names == ["dump", "restore", "verify", "audit", "catch-up"]
    assert all(step["seconds"] > 0 for step in report["steps"])
    assert report["steps"][3]["said"] != "nothing was sealed"
    assert [(lane["behind"], lane["lost"]) for lane in report["lanes"]] == [(0, 0)] * 3 + [(2, 0)]
    assert report["complete_until"]
    assert await value(copy, "SELECT count(*) FROM segments.event") == 4
    assert await all_there_is(source) == before

    # A row of the copy is changed.
    async with connected(copy) as owner:
        await owner.execute(UNGUARDED)
        await owner.execute(
            "UPDATE segments.event AS e SET user_status = 2 FROM segments.lane AS l"
            " WHERE e.lane_id = l.lane_id AND l.partition = 1 AND e.kafka_offset = 0"
        )
        await owner.execute(GUARDED)
    changed = await drill(source, copy, "--restored")
    assert changed.code == 1
    assert "verify" in changed.err
    assert "audit" in changed.err
    assert f"{source.topic_prefix}.commands:1:0:0" in changed.out, changed.out

    # A database that is used is refused.
    for wrong, more, why in (
        (copy, (), "not empty"),
        (source, (), "not empty"),
        (source, ("--restored",), "itself"),
    ):
        refused = await drill(source, wrong, *more)
        assert (refused.code, refused.out, why in refused.err) == (1, "", True), refused.err
    async with open_database(copy, "segments_project", 1) as worker, worker.single() as connection:
        await connection.fetchval("SELECT 1")
        refused = await drill(source, copy, "--restored")
        assert (refused.code, "segments_project" in refused.err) == (1, True)


async def test_a_dump_is_restored_without_its_source_and_misses_what_kafka_no_longer_has(
    source: Settings, copy: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backup"
    await dump(database_url(source), file)
    commands = Topics(source.topic_prefix).commands
    async with administered(source) as admin:
        await admin.delete_records({TopicPartition(commands, 3): RecordsToDelete(1)})
    alone = source.model_copy(update={"database_url": None})
    done = await drill(alone, copy, "--dump", str(file), "--json")
    assert done.code == 1, done
    assert [step["name"] for step in done.json["steps"] if step["faults"]] == ["catch-up"]
    assert [lane["lost"] for lane in done.json["lanes"]] == [0, 0, 0, 1]
    assert "no longer has the next 1" in done.json["steps"][-1]["faults"][0]["found"]
    monkeypatch.setenv("PATH", str(tmp_path))
    without = await drill(source, copy)
    assert (without.code, "pg_restore is not on the PATH" in without.err) == (2, True)
