"""`status`, `explain`, `verify`, `rebuild`: what an operator sees, and the exit codes that scripts rest on."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

import pytest

from projections.fold.worker import project
from service.ingest.role import ingest
from tests.projections.folding import fold, log
from tests.support.command_line import run
from tests.support.database import connected, folded, until
from tests.support.kafka import NewRecord, publish
from tests.support.lane import command_json
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
AT = 1_700_000_000
AGO = r"(?:[89]\d|[12]\d\d)"
"""80 s, and what a busy machine adds."""


async def test_status_warns_where_nobody_looks_how_far_kafka_goes_and_shows_since_when(
    ready: Settings,
) -> None:
    await publish(ready, [NewRecord(user=f"u{n}", lane=n % 4) for n in range(3)])
    never = (await run(ready, "status", "--json")).json
    assert never["warnings"] == [
        "Kafka's end offsets are unknown: ingest has not run yet, or can't reach Kafka."
    ]
    early = (await run(ready, "status")).out
    assert "complete_until: not known yet\n" in early
    assert "None" not in early
    async with service(ready):
        await until(ready, "SELECT count(end_seen_at) = 4 FROM segments.lane")
        seen = (await run(ready, "status", "--json")).json
    assert seen["warnings"] == []
    async with connected(ready) as connection:
        await connection.execute(
            "UPDATE segments.lane SET end_seen_at = now() - interval '80 s' WHERE partition > 1;"
            "UPDATE segments.lane SET end_seen_at = NULL WHERE partition = 1;"
            "UPDATE segments.lane SET end_seen_at = now() + interval '1 hour' WHERE partition = 0"
        )
    (late, unseen) = (await run(ready, "status", "--json")).json["warnings"]
    assert re.match(
        rf"Kafka's end offsets were last read {AGO} s ago \({ready.topic_prefix}.commands: 2, 3\): "
        "ingest is not running, Kafka is unavailable,",
        late,
    )
    assert f"never read ({ready.topic_prefix}.commands: 1)" in unseen
    plain = (await run(ready, "status")).out
    assert f"warning: {late[:25]}" in plain
    assert len(re.findall(rf" {AGO} s ago  ", plain)) == 2
    async with connected(ready) as connection:
        await connection.execute(
            "UPDATE segments.lane SET stopped_because = 'remade', closed = true"
        )
    assert (await run(ready, "status", "--json")).json["warnings"] == []


async def test_status_wait_ends_with_0_as_soon_as_all_is_in_and_1_when_time_is_up(
    ready: Settings,
) -> None:
    await publish(ready, [NewRecord(user=f"u{n}", lane=n % 4) for n in range(8)])
    late = await run(ready, "status", "--wait", "5", "--json")
    assert late.code == 1
    assert [(row["partition"], row["behind"]) for row in late.json["behind"]] == [
        (n, 2) for n in range(4)
    ]
    assert "partition 3: 2 behind" in late.err
    async with service(ready, ingest, project):
        in_time = await run(ready, "status", "--wait", "300", "--json")
    assert (in_time.code, in_time.json["behind"]) == (0, [])
    assert sum(row["projected_offset"] for row in in_time.json["lanes"]) == 8
    assert in_time.json["watermark"]["projection_behind"] == 0
    plain = await run(ready, "status")
    assert plain.code == 0
    assert "complete_until" in plain.out


async def test_status_wait_ends_at_once_with_1_when_a_lane_is_stopped_and_names_it(
    ready: Settings,
) -> None:
    await publish(ready, [NewRecord(user=f"u{n}", lane=n % 4) for n in range(4)])
    async with service(ready, ingest, project):
        await folded(ready)
    async with connected(ready) as connection:
        await connection.execute(
            "UPDATE segments.lane SET stopped_because = 'remade' WHERE partition = 2"
        )
    begun = time.monotonic()
    stopped = await run(ready, "status", "--wait", "500")
    assert stopped.code == 1
    assert time.monotonic() - begun < 250
    assert "partition 2: 0 behind, stopped: remade" in stopped.err
    assert "remade" in stopped.out


async def test_status_wait_without_topics_is_a_failure_and_not_all_in(database: Settings) -> None:
    result = await run(database, "status", "--wait", "5")
    assert result.code == 1
    assert "segments setup" in result.err


async def test_status_counts_overrides_that_should_have_lapsed(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(
            command_json(status_change_timestamp=AT, expires_at=AT + 60), command_json(user="v")
        )
        await fold(database)
    found = (await run(database, "status", "--json")).json
    assert found["overdue_expiries"] == 1
    assert not any("SIGNING_KEY" in warning for warning in found["warnings"])
    unsigned = await run(database.model_copy(update={"signing_key": None}), "status")
    assert "overdue expiries: 1\nwarning: " in unsigned.out
    assert "\nwarning: SEGMENTS_SIGNING_KEY is not set" in unsigned.out


async def test_status_wait_ends_while_more_and_more_is_published(ready: Settings) -> None:
    stop = asyncio.Event()

    async def flood() -> None:
        while not stop.is_set():
            await publish(ready, [NewRecord(user="u", lane=n % 4) for n in range(200)])

    async with service(ready):
        flooding = asyncio.create_task(flood())
        try:
            await until(ready, "SELECT count(*) > 200 FROM segments.event")
            for _ in range(3):
                assert (await run(ready, "status", "--wait", "300")).code == 0
        finally:
            stop.set()
            await flooding


async def test_explain_tells_each_event_what_it_did_and_what_stands_now(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(
            command_json(user="a@x", user_status="leave", status_change_timestamp=AT + 20, reference_id="late"),
            command_json(user="a@x", user_status="enter", status_change_timestamp=AT, reference_id="first"),
            command_json(user="a@x", user_status="block", status_change_timestamp=AT + 10, description="why",
                 expires_at=AT + 100),
            command_json(user="b"), command_json(user="a@x", segment_id=2),
        )  # fmt: skip
        await fold(database)
        await lane.append(
            command_json(user="a@x", user_status="reset", status_change_timestamp=AT + 30)
        )
    ask = ("explain", "--network", "n", "--segment", "1", "--user", " A@X ")
    found = (await run(database, *ask, "--json")).json
    told = [
        (e["user_status"], e["outcome"], e["is_member_after"], e["override_after"])
        for e in found["events"]
    ]
    assert told == [
        ("enter", "applied", True, None),
        ("block", "applied", False, "block"),
        ("leave", "ineffective", False, "block"),
        ("reset", "queued", None, None),
    ]
    assert found["now"]["override"] == "block"
    assert found["now"]["automation_says"] == "leave"
    until = "2023-11-14T22:15:00+00:00"
    assert list(found["now"].items())[-1] == ("expires_at", until)
    plain = (await run(database, *ask)).out
    assert plain.count(until) == 2
    assert "ineffective" in plain
    assert "why" in plain
    nobody = await run(database, *ask[:-1], "nobody")
    assert (nobody.code, nobody.out) == (1, "")
    assert "no event of user 'nobody'" in nobody.err


async def test_explain_of_a_segment_that_does_not_exist_ends_with_1(database: Settings) -> None:
    ask = ("explain", "--network", "n", "--segment", "7", "--user", "u")
    for options in ((), ("--json",)):
        result = await run(database, *ask, *options)
        assert (result.code, result.out) == (1, "")
        assert result.err == "Error: No such segment in this network. (network n, id 7)\n"


async def test_verify_ends_with_1_on_any_difference_and_rebuild_mends_it(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        await lane.append(command_json(), command_json(user="v"))
        await fold(database)
    clean = await run(database, "verify", "--json")
    assert (clean.code, clean.json) == (0, {"differences": [], "erased": 0})
    async with connected(database) as connection:
        await connection.execute("UPDATE projections.size SET members = 7")
    broken = await run(database, "verify", "--json")
    assert broken.code == 1
    assert broken.json["differences"] == [
        {"view": "segment_size", "key": "n/1", "expected": "2/2/0", "found": "7/2/0"}
    ]
    assert broken.err == "Error: 1 difference\n"
    assert "segment_size" in (await run(database, "verify")).out
    rebuilt = await run(database, "rebuild", "--json")
    assert rebuilt.json == {"projection": "membership", "events": 2}
    assert rebuilt.err == ""
    assert (await run(database, "verify")).code == 0
    unknown = await run(database, "rebuild", "other")
    assert (unknown.code, unknown.out) == (2, "")


async def test_a_database_that_is_not_set_up_is_told_so(database: Settings) -> None:
    async with connected(database) as connection:
        await connection.execute("DROP SCHEMA reporting CASCADE")
        await connection.execute("DROP SCHEMA segments CASCADE")
    for arguments in (["segment", "list"], ["status"], ["verify"]):
        result = await run(database, *arguments)
        assert (result.code, "segments setup" in result.err) == (1, True), result.err


async def test_lanes_that_began_are_listed(database: Settings) -> None:
    async with log(database, 2) as lanes:
        await lanes[1].append(command_json(), b"not JSON")
    listed = (await run(database, "lane", "list", "--json")).json
    assert [(r["kafka_partition"], r["next_offset"], r["events"], r["rejected"]) for r in listed] == [
        (0, 0, 0, 0), (1, 2, 1, 1),
    ]  # fmt: skip
    assert "kafka_partition" in (await run(database, "lane", "list")).out
