"""A log in which everything happened, and what is compared of a database and its copy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from projections.fold.worker import project
from projections.outbox.expiries import publish_expiries
from projections.restore.source import TABLES
from service.ingest.role import ingest
from tests.projections.test_views import VIEWS
from tests.support.command_line import run
from tests.support.database import erase, folded, make_segments, rows, until
from tests.support.first_lane import lane_command
from tests.support.kafka import NewRecord, publish
from tests.support.roles import service
from tests.support.topics import remake_commands
from tests.support.zoo import zoo

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings

AT = 1_700_000_000
OF_THE_PRESENT = {"watermark", "freshness", "access_event"}
"""Views of what a database does now, and of who read it."""
KNOWN = NewRecord(
    lane=1, user="known", headers=[("idempotency-key", b"once")], description="the first"
)
TIMED = NewRecord(lane=2, user="timed", status_change_timestamp=AT, reference_id="a campaign")


async def live(settings: Settings) -> None:
    """Fill the log: late, tied, expiring, refused, repeated, of two networks, of a remade topic, erased."""
    await make_segments(settings, [("n", 1), ("n", 2), ("m", 1)])
    now = int(time.time())
    first = [
        *(record for _, record in zoo()),
        KNOWN, KNOWN, TIMED, TIMED,
        NewRecord(lane=2, user="timed", status_change_timestamp=AT, reference_id="a campaign", description="another"),
        *(NewRecord(lane=lane, user="tied", user_status=status, status_change_timestamp=AT, reference_id=status)
          for lane, status in enumerate(("add", "leave", "enter", "block"))),
        NewRecord(lane=0, user="late", status_change_timestamp=AT),
        NewRecord(lane=1, user="late", status_change_timestamp=AT - 86_400, user_status="block"),
        NewRecord(lane=3, user="lapses", status_change_timestamp=now - 60, expires_at=now - 1),
        NewRecord(lane=0, network_id="m", user="Jo@Example.com", metadata={"a": [1, {"b": None}], "c": 1e300}),
        NewRecord(lane=0, user="gone", description="of gone", metadata={"gone": True}),
        NewRecord(lane=0, user="gone", segment_id=77),
        NewRecord(lane=0, segment_id=99, user="missing"),
    ]  # fmt: skip
    async with service(settings, ingest, project, publish_expiries):
        await publish(settings, first)
        await until(settings, "SELECT count(*) FROM reporting.result WHERE user_status = 'expire'")
        await folded(settings)
    await make_segments(settings, [("n", 99)])
    assert await erase(settings, "gone")
    await remake_commands(settings)
    await publish(settings, [NewRecord(lane=0, user=f"new {n}") for n in range(3)])
    async with service(settings):
        await until(
            settings,
            "SELECT count(*) FROM segments.lane WHERE stopped_because IS NOT NULL",
            lambda stopped: stopped == 4,
        )
        await lane_command(settings, "adopt", "--from", "1")
        await folded_first(settings)
        await run_well(settings, "rejected", "retry", "--reason", "unknown_segment")
    async with service(settings):
        await run_well(settings, "lane", "adopt", "--all", "--reason", "remade")
        await folded(settings)


async def folded_first(settings: Settings) -> None:
    """Wait until the records of the first lane's new epoch are in the views."""
    await until(
        settings, "SELECT count(*) FROM reporting.result WHERE user_id = 'new 2' AND outcome = 'applied'"
    )  # fmt: skip


async def run_well(settings: Settings, *arguments: str) -> str:
    """Run a command that must succeed; return its output."""
    done = await run(settings, *arguments)
    assert done.code == 0, done.err
    return done.out


async def exported(settings: Settings, folder: Path) -> Path:
    """Export in full."""
    await run_well(settings, "export", "--full", "--to", str(folder))
    return folder


async def tables(settings: Settings) -> dict[str, list[str]]:
    """Read every table of the log, each row as text, sorted."""
    return {
        table: [
            row["row"]
            for row in await rows(settings, f"SELECT t::text AS row FROM segments.{table} AS t ORDER BY 1")
        ]
        for table in TABLES
    }  # fmt: skip


async def views(settings: Settings) -> dict[str, list[str]]:
    """Read every view of what the log says."""
    return {
        view: sorted(map(repr, await rows(settings, f"SELECT * FROM reporting.{view}")))
        for view in VIEWS
        if view not in OF_THE_PRESENT
    }
