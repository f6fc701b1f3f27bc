"""`lane skip` of any number of records: memory stays bounded, and an interrupted one goes on."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from projections.fold.worker import project
from service.ingest.role import ingest
from service.kafka.unpacking import MOST_BYTES
from service.postgres.database import database_url
from tests.support.accounts import logged
from tests.support.batch import Raw, publish_batch
from tests.support.command_line import run
from tests.support.database import folded, rows, sound, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.roles import environment, service
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
MIB = 1024 * 1024
SKIP = ("lane", "skip", "--partition", "0", "--reason", "poison", "--actor", "ann")
# The command line, and then how much memory it has held at most, in KiB.
MEASURED = """
import pathlib, sys
from segments.cli import main
try:
    main()
finally:
    (peak,) = [line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    print(peak.split()[1], file=sys.stderr)
"""
LANE = "SELECT next_offset, events, rejected, holes, stopped_because FROM reporting.lane WHERE kafka_partition = 0"
DECIDED = "SELECT reason, detail, actor FROM segments.lane_event WHERE action = 'skipped'"
# Who moves the lane beyond its middle waits until the lock is given up.
WAIT = """
CREATE FUNCTION segments.wait() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7);
    RETURN NEW;
END $$;
CREATE TRIGGER waits BEFORE UPDATE ON segments.lane FOR EACH ROW WHEN (NEW.next_offset > 600)
EXECUTE FUNCTION segments.wait();
"""


async def publish_long(settings: Settings, count: int) -> None:
    """Publish records of 60 KiB each to lane 0: little for Kafka, and much to read."""
    for start in range(0, count, 1000):
        batch = [Raw(b"x" * 60 * 1024, b"k")] * min(count - start, 1000)
        await publish_batch(settings, 0, batch, "zstd")


def measured(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments],
        env=environment(settings), capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


async def test_the_memory_of_a_skip_does_not_depend_on_how_much_is_passed_by(
    ready: Settings,
) -> None:
    await publish(ready, [NewRecord(lane=0, user="before")])
    async with service(ready, ingest):
        await logged(ready)
    await publish_long(ready, 2500)
    done = measured(ready, *SKIP, "--to", "2501")
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.split()[-1]) * 1024 <= 200 * MIB
    (lane,) = await rows(ready, LANE)
    assert tuple(lane.values()) == (2501, 1, 2500, 0, None)
    (decided,) = await rows(ready, DECIDED)
    assert tuple(decided.values()) == ("poison", "offsets 1 to 2501", "ann")
    await publish(ready, [NewRecord(lane=0, user="after")])
    async with service(ready, ingest, project):
        await folded(ready)
    await sound(ready)


@contextmanager
def skipping(settings: Settings, to: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a skip as a process of its own, and kill it in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from segments.cli import main; main()", *SKIP, "--to", str(to)],
        env=environment(settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_a_skip_killed_on_its_way_keeps_the_lane_stopped_until_the_same_call_goes_on(
    ready: Settings,
) -> None:
    await publish(ready, [NewRecord(lane=0, user="before")])
    async with service(ready, ingest):
        await logged(ready)
    await publish_long(ready, 1000)
    await publish(ready, [NewRecord(lane=0, user="behind"), NewRecord(lane=0, user="after")])
    owner = await asyncpg.connect(database_url(ready))
    try:
        await owner.execute(WAIT)
        await owner.execute("SELECT pg_advisory_lock(7)")
        with skipping(ready, 1002):
            await until(
                ready,
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 7)",
            )
        await owner.execute("DROP TRIGGER waits ON segments.lane")
    finally:
        await owner.close()
    (lane,) = await rows(ready, LANE)
    assert 1 < lane["next_offset"] <= 600
    assert lane["next_offset"] == lane["events"] + lane["rejected"]
    assert "lane skip" in lane["stopped_because"]
    assert "--to 1002" in lane["stopped_because"]
    async with service(ready, ingest, project):
        # Nobody appends what is yet to be passed by.
        await publish(ready, [NewRecord(lane=1, user="beside")])
        await until(ready, "SELECT count(*) = 2 FROM segments.event")
        assert await value(ready, "SELECT max(next_offset) FROM segments.lane") <= 600
        again = await run(ready, *SKIP[:4], "--to", "1002", "--reason", "other", "--json")
        assert (again.code, again.json["next_offset"]) == (0, 1002)
        await folded(ready)
    (lane,) = await rows(ready, LANE)
    assert tuple(lane.values()) == (1003, 2, 1001, 0, None)
    (decided,) = await rows(ready, DECIDED)
    assert tuple(decided.values()) == ("poison", "offsets 1 to 1002", "ann")
    assert await value(ready, "SELECT array_agg(DISTINCT detail) FROM reporting.rejected") == [
        "skipped: poison"
    ]
    await sound(ready)


async def test_a_batch_that_can_not_be_read_may_be_passed_by_in_part(ready: Settings) -> None:
    """What lies before is rejected, no hole; reading goes on behind it, also when the lane is opened anew."""
    await publish(ready, [NewRecord(lane=0, user="before")])
    async with service(ready, ingest):
        await logged(ready)
    count = MOST_BYTES // MIB + 2
    await publish_batch(ready, 0, [Raw(bytes(MIB))] * count, "zstd")
    done = await run(ready, *SKIP, "--to", "11", "--json")
    assert (done.json["rejected"], done.json["holes"]) == (10, 0)
    for user in ("after", "later"):
        async with service(ready, ingest, project):
            await publish(ready, [NewRecord(lane=0, user=user)])
            await folded(ready)
    ranges = "SELECT kafka_offset, next_offset, reason FROM reporting.rejected ORDER BY 1"
    assert [tuple(row.values()) for row in await rows(ready, ranges)] == [
        (1, 11, "skipped"),
        (11, 1 + count, "too_large"),
    ]
    assert tuple((await rows(ready, LANE))[0].values()) == (count + 3, 3, count, 0, None)
    await sound(ready)
