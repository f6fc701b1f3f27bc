"""The restore drill: a copy of the database is restored elsewhere and checked. No process of the service runs on it."""

from __future__ import annotations

import tempfile
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiokafka import TopicPartition

from projections.operations.verify import verify
from projections.operations.verify_topic import verify_topics
from service.kafka.clients import partitions_there, reading
from service.postgres.database import connect, give_longer, open_connection, setup_url, statements
from service.postgres.dump import dump, require_programs, restore
from service.postgres.incarnation import INCARNATION
from service.postgres.migrate import check_database, make_roles
from service.registry.command_topics import read_topics
from service.registry.installation import installation_name
from service.runtime.errors import RefusedError
from service.runtime.secret import SecretStr
from service.seal.audit import LONGEST_SECONDS, Auditor
from service.seal.folder import Folder
from service.seal.role import ROLE as SEAL
from service.seal.role import read_signer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    import asyncpg

    from service.runtime.settings import Settings

SQL = statements("projections.operations.sql")
ROLE = "segments_operate"
_SAME_NAME = (
    "The copy has its source's name: `segments setup --new-installation` must precede any process."
)
_IS_EMPTY = statements("service.postgres.sql")["is_empty"]


@dataclass(slots=True)
class Step:
    """One step of a drill. faults: each with the keys view, key, expected and found. Empty: the step held."""

    name: str
    seconds: float = 0.0
    said: str = ""
    faults: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Drill:
    """What a drill did and found. lanes: topic, partition, epoch, next_offset, end_offset, behind, lost."""

    copy: str
    steps: list[Step] = field(default_factory=list)
    complete_until: Any = None
    lanes: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether every step held."""
        return not any(step.faults for step in self.steps)


async def drill_restore(
    settings: Settings,
    copy_url: str,
    *,
    file: Path | None = None,
    is_restored: bool = False,
    jobs: int = 1,
    report: Callable[[str], None] = lambda _: None,
) -> Drill:
    """Restore into the empty database copy_url, verify and audit it, and tell what it would read again from Kafka.

    file: restore this dump instead of a new one. is_restored: the database was restored already, only check it.
    report: is told the name of each step before it begins.

    Raises: RefusedError for a database that is not empty, that is the source, or that processes are connected to;
    WrongUseError without Postgres' programs.
    """
    copied = settings.model_copy(
        update={
            "database_url": SecretStr(copy_url),
            "setup_database_url": None,
            "database_pooler": "none",
        }
    )
    run = _Run(settings, copied, report)
    if is_restored:
        run.drill.warnings += await _compare_with_source(setup_url(settings), copy_url)
    else:
        require_programs("pg_restore", *(() if file else ("pg_dump",)))
        await _require_empty(copy_url)
        await run.restore(copy_url, file, jobs)
    await run.verify()
    await run.audit()
    await run.catch_up()
    return run.drill


async def _require_empty(url: str) -> None:
    """Raises: RefusedError for a database that has relations."""
    connection = await open_connection(url)
    try:
        if not await connection.fetchval(_IS_EMPTY):
            raise RefusedError("(The database of --to is not empty; create another one.)")
    finally:
        await connection.close()


async def _compare_with_source(url: str, copy_url: str) -> list[str]:
    """Check that a database is a copy that nobody uses.

    Returns: warnings.
    Raises: RefusedError if it is the source, or processes of the service are connected to it.
    """
    async with AsyncExitStack() as stack:
        source, copy = await open_connection(url), await open_connection(copy_url)
        stack.push_async_callback(source.close)
        stack.push_async_callback(copy.close)
        if await source.fetchval(INCARNATION) == await copy.fetchval(INCARNATION):
            raise RefusedError("(The database of --to is SEGMENTS_DATABASE_URL itself.)")
        if names := [row[0] for row in await copy.fetch(SQL["processes"])]:
            raise RefusedError(
                f"(Processes are connected to the database of --to: {', '.join(names)}. Stop them.)"
            )
        if await installation_name(source) == await installation_name(copy):
            return [_SAME_NAME]
    return []


class _Run:
    """The steps, each of which reads the copy alone."""

    def __init__(self, source: Settings, copy: Settings, report: Callable[[str], None]) -> None:
        assert copy.database_url is not None  # noqa: S101 - it was set just before
        address = urlsplit(copy.database_url.get_secret_value())
        self.drill = Drill(f"{address.netloc.rpartition('@')[2]}{address.path}")
        self._source = source
        self._copy = copy
        self._report = report

    @asynccontextmanager
    async def _step(self, name: str) -> AsyncIterator[Step]:
        self._report(name)
        step = Step(name)
        self.drill.steps.append(step)
        began = time.monotonic()
        yield step
        step.seconds = round(time.monotonic() - began, 3)

    @asynccontextmanager
    async def _reading(self, role: str = ROLE) -> AsyncIterator[asyncpg.Connection[Any]]:
        connection = await connect(self._copy, role)
        try:
            yield connection
        finally:
            await connection.close()

    async def restore(self, copy_url: str, file: Path | None, jobs: int) -> None:
        """Dump the source, unless there is a file, and restore it. The dump, which holds personal data, is removed."""
        with tempfile.TemporaryDirectory(prefix="segments-drill-") as folder:
            if file is None:
                file = Path(folder) / "dump"
                async with self._step("dump") as step:
                    await dump(setup_url(self._source), file)
                    step.said = f"{file.stat().st_size} bytes"
            async with self._step("restore"):
                copy = await open_connection(copy_url)
                try:
                    await make_roles(copy)
                    await restore(copy_url, file, jobs)
                    await copy.execute("ANALYZE", timeout=LONGEST_SECONDS)
                finally:
                    await copy.close()

    async def verify(self) -> None:
        """Do what `segments verify` does."""
        async with self._step("verify") as step:
            self.drill.warnings += await check_database(self._copy)
            async with self._reading() as connection:
                step.faults += await verify(connection)
                step.faults += await verify_topics(connection, self._copy, memberships=False)

    async def audit(self) -> None:
        """Do what `segments audit` does, if anything was sealed.

        The folder's newest checkpoint is later than the copy, and is not compared; its tiles are.
        """
        async with (
            self._step("audit") as step,
            self._reading(SEAL) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            if not await connection.fetchval(SQL["is_sealed"]):
                step.said = "nothing was sealed"
                return
            await give_longer(connection, LONGEST_SECONDS)
            folder = Folder(self._source.seal_dir) if self._source.seal_dir else None
            verifier = read_signer(self._source).verifier if self._source.seal_key_file else None
            found = await Auditor(connection, folder, verifier).run({})
            step.said = f"{found.leaves} sealed rows"
            step.faults += [
                {"view": one["kind"], "key": one["key"], "expected": "as sealed", "found": one["fault"]}
                for one in found.faults
            ]  # fmt: skip

    async def catch_up(self) -> None:
        """Compare the copy's positions with what Kafka has: how much it would read again, and whether that is there."""
        async with self._step("catch-up") as step, self._reading() as connection:
            watermark = await connection.fetchrow(SQL["watermark"])
            self.drill.complete_until = watermark["complete_until"] if watermark else None
            topics = await read_topics(connection, self._copy)
            rows = await connection.fetch(SQL["drilled_lanes"], topics)
            there = await partitions_there(self._copy, topics)
            first, end = await self._offsets(
                TopicPartition(topic, number)
                for topic, count in there.items()
                for number in range(count or 0)
            )
            for row in rows:
                where = TopicPartition(row["topic"], row["partition"])
                self.drill.lanes.append(_lane(row, first.get(where), end.get(where)))
            step.faults += [fault for lane in self.drill.lanes if (fault := _lane_fault(lane))]
            step.said = f"{sum(lane['behind'] for lane in self.drill.lanes)} records to read again"

    async def _offsets(
        self, partitions: Iterable[TopicPartition]
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        async with reading(self._copy) as reader:
            wanted = list(partitions)
            reader.assign(wanted)
            return await reader.beginning_offsets(wanted), await reader.end_offsets(wanted)


def _lane(row: Any, first: int | None, end: int | None) -> dict[str, Any]:
    following: int = row["next_offset"]
    return {
        **row,
        "end_offset": end,
        "behind": 0 if end is None else max(end - following, 0),
        "lost": 0 if first is None else max(first - following, 0),
    }


def _lane_fault(lane: dict[str, Any]) -> dict[str, Any] | None:
    """Say why the lane could not go on from the copy; None: it could."""
    found = lane["stopped_because"]
    if lane["end_offset"] is None:
        found = "there is no such partition"
    elif lane["lost"]:
        found = f"Kafka no longer has the next {lane['lost']} of them"
    elif lane["next_offset"] > lane["end_offset"]:
        found = f"the partition ends at {lane['end_offset']}"
    if found is None:
        return None
    key = f"{lane['topic']}-{lane['partition']}-{lane['epoch']}"
    wanted = f"records from {lane['next_offset']} on"
    return {"view": "lane", "key": key, "expected": wanted, "found": found}
