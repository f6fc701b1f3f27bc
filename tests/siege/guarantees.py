"""Guarantees 1 to 8 of README.md, checked when the siege is over and all records are in every projection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from tests.siege.hostile.target import BAD, GOOD
from tests.siege.truth import untrue
from tests.support.database import erase, folded, rows, until, value
from tests.support.roles import command_line
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.siege.good import Good
    from tests.siege.site import Site

DRAIN_SECONDS = 600.0
_TILES = """
WITH piece AS (
    SELECT kafka_topic AS t, kafka_partition AS p, kafka_epoch AS e, kafka_offset AS first, kafka_offset + 1 AS next
    FROM (
        SELECT kafka_topic, kafka_partition, kafka_epoch, kafka_offset FROM reporting.event
        UNION ALL SELECT kafka_topic, kafka_partition, kafka_epoch, kafka_offset FROM reporting.duplicate
        UNION ALL SELECT kafka_topic, kafka_partition, kafka_epoch, kafka_offset FROM reporting.rejected
    ) AS record
    UNION ALL SELECT kafka_topic, kafka_partition, kafka_epoch, first_offset, next_offset FROM reporting.hole
),
laid AS (SELECT *, lag(next) OVER (PARTITION BY t, p, e ORDER BY first) AS before FROM piece)
SELECT t, p, e, first, before FROM laid WHERE before <> first LIMIT 20
"""
_MAY_CHANGE = """
SELECT r.rolname, c.relname, p.what FROM pg_roles AS r, pg_class AS c,
    unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS p (what)
WHERE r.rolname LIKE 'segments\\_%' AND r.rolname <> 'segments_owner' AND c.relkind IN ('r', 'p')
    AND c.relnamespace = 'segments'::regnamespace AND c.relname IN ('event', 'duplicate', 'rejected', 'registry_event')
    AND has_table_privilege(r.oid, c.oid, p.what)
"""
_FOREIGN = """
SELECT 'user_segment' AS what, network_id, user_id FROM reporting.user_segment
WHERE (network_id = $1) <> (user_id LIKE $1 || '-%')
UNION ALL SELECT 'rejected', network_id, left(payload_text, 200) FROM reporting.rejected
WHERE kafka_topic = $2 AND network_id = $1
LIMIT 20
"""
_VIEWS = """
SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'reporting_network'::regnamespace AND c.relkind = 'v' AND a.attname = 'network_id'
"""


@dataclass(frozen=True)
class Guarantee:
    """A check. broken: what is wrong, empty where it holds."""

    name: str
    broken: list[str]


async def check_guarantees(site: Site, good: Good) -> list[Guarantee]:
    """Check them all, each though another be broken. The last erases a person, so the oracle comes before."""

    async def copies() -> list[str]:
        return await _copied_signatures(site, good)

    checks: dict[str, Callable[[], Awaitable[list[str]]]] = {
        "6 no poison: every lane is read to its end": lambda: _drained(site),
        "2 no lane is stopped": lambda: _stopped(site),
        "1 conservation: each lane is tiled": lambda: _query(site, _TILES),
        "1, 5 `segments verify`": lambda: _verify(site),
        "5, 7 views equal the oracle": lambda: untrue(site),
        "3 immutability: no role may change the log": lambda: _query(site, _MAY_CHANGE),
        "7 the watermark goes on": lambda: _watermark(site),
        "8 no network has another's rows": lambda: _foreign(site),
        "8 a signature counts once": copies,
        "5 a rebuild changes nothing": lambda: _rebuild(site),
        "4 a person is erased, and all stays equal": lambda: _erased(site),
    }
    found = []
    for name, check in checks.items():
        try:
            broken = await check()
        except Exception as error:  # noqa: BLE001 - what can't be checked does not hold
            broken = [f"{type(error).__name__}: {error}"[:2000]]
        found.append(Guarantee(name, broken))
    return found


async def _drained(site: Site) -> list[str]:
    try:
        await folded(site.settings, DRAIN_SECONDS)
    except AssertionError as behind:
        return [str(behind), *site.ended()]
    return site.ended()


async def _stopped(site: Site) -> list[str]:
    return await _query(site, "SELECT * FROM reporting.lane WHERE stopped_because IS NOT NULL")


async def _query(site: Site, query: str, *arguments: object) -> list[str]:
    return [str(row) for row in await rows(site.settings, query, *arguments)]


async def _verify(site: Site) -> list[str]:
    result = await asyncio.to_thread(command_line, site.settings, "verify", timeout=3600)
    return [] if result.returncode == 0 else [(result.stdout + result.stderr)[-4000:]]


async def _watermark(site: Site) -> list[str]:
    """It passes the moment at which this was asked: nothing holds it."""
    now = await value(site.settings, "SELECT clock_timestamp()::text")
    query = f"SELECT complete_until > '{now}' FROM reporting.watermark"
    try:
        await until(site.settings, query, seconds=PATIENCE)
    except AssertionError as stuck:
        return [str(stuck)]
    return []


async def _foreign(site: Site) -> list[str]:
    """Users of the good network all begin with its name, and nobody else's do; analysts see their own network alone."""
    found = await _query(site, _FOREIGN, GOOD, site.bounded)
    views = [row["relname"] for row in await rows(site.settings, _VIEWS)]
    for network in (GOOD, BAD):
        analyst = await asyncpg.connect(site.logins[network])
        try:
            for view in views:
                query = f"SELECT count(*) FROM reporting_network.{view} WHERE network_id <> $1"
                if count := await analyst.fetchval(query, network):
                    found.append(f"{network}'s analyst sees {count} rows of others in {view}")
            query = "SELECT count(*) FROM reporting_network.rejected WHERE payload_text LIKE $1"
            what = "%stolen%" if network == GOOD else f'%"user": "{GOOD}-%'
            if network == GOOD and (count := await analyst.fetchval(query, what)):
                found.append(f"{network}'s analyst sees {count} refusals of {BAD}'s topic")
        finally:
            await analyst.close()
    return found


async def _copied_signatures(site: Site, good: Good) -> list[str]:
    """What was published over HTTP is no more than what was sent over HTTP, however often it was copied."""
    count = await value(
        site.settings,
        f"SELECT count(*) FROM reporting.event WHERE network_id = '{GOOD}' AND source = 'http'",
    )
    copied = await value(
        site.settings,
        "SELECT count(*) FROM reporting.event"
        f" WHERE kafka_topic = '{site.bounded}' AND source <> 'kafka'",
    )
    found = []
    if not good.taken <= count <= good.posted:
        found.append(f"{good.posted} posted, {good.taken} taken, {count} events have source http")
    if copied:
        found.append(f"{copied} copies on another topic have the source of what they copy")
    return found


async def _rebuild(site: Site) -> list[str]:
    result = await asyncio.to_thread(command_line, site.settings, "rebuild", timeout=3600)
    if result.returncode != 0:
        return [(result.stdout + result.stderr)[-2000:]]
    return await _verify(site)


async def _erased(site: Site) -> list[str]:
    user = f"{GOOD}-1"
    await erase(site.settings, user, GOOD)
    await folded(site.settings, DRAIN_SECONDS)
    left = await _query(
        site, "SELECT user_id FROM reporting.event WHERE network_id = $1 AND user_id = $2", GOOD, user
    )  # fmt: skip
    return left + await _verify(site)
