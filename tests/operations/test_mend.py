"""`rejected` and `lane`: what operators do when something was refused or stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from projections.fold.worker import project
from schemas.command.refusal import Reason, Refusal
from service.ingest.role import ingest
from service.outbox.rejected import publish_rejected
from tests.projections.folding import log
from tests.support.command_line import run
from tests.support.database import connected, folded, rows, sound, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.lane import Given
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_a_rejected_record_is_listed_shown_and_accepted_once_its_segment_exists(
    ready: Settings,
) -> None:
    async with service(ready, ingest, project, publish_rejected):
        await publish(
            ready,
            [
                NewRecord(
                    user="Ann@x",
                    segment_id=2,
                    lane=1,
                    description="why",
                    headers=[("idempotency-key", b"k")],
                ),
                NewRecord(b"\x00avro", lane=1),
            ],
        )
        await folded(ready)
        listed = (await run(ready, "rejected", "list", "--json")).json
        assert [row["reason"] for row in listed] == ["not_json", "unknown_segment"]
        only = (
            await run(
                ready, "rejected", "list", "--reason", "unknown_segment", "--network", "n", "--json"
            )
        ).json
        position = only[0]["position"]
        assert position == f"{ready.topic_prefix}.commands:1:0:0"
        shown = (await run(ready, "rejected", "show", position, "--json")).json
        assert '"user": "Ann@x"' in shown["payload_text"]
        assert bytes.fromhex(shown["payload"]).decode() == shown["payload_text"]
        assert shown["headers"] == {"idempotency-key": "k"}
        plain = (await run(ready, "rejected", "show", position)).out.splitlines()
        assert {
            f"payload (hexadecimal): {shown['payload']}",
            f"record_key (hexadecimal): {b'n:Ann@x'.hex()}",
            "retried_at: ",
            'headers: {"idempotency-key": "k"}',
        } <= set(plain)
        assert "Avro" in (await run(ready, "rejected", "show", listed[0]["position"])).out

        await run(ready, "segment", "create", "--network", "n", "--name", "two")
        retried = await run(ready, "rejected", "retry", position, "--actor", "ann", "--json")
        assert retried.json[0]["retry_of"] == position
        assert retried.json[0]["kafka_epoch"] == 0
        await folded(ready)
        # Published a second time it is the same command: its first receipt is its time.
        again = await run(ready, "rejected", "retry", position)
        assert (again.code, "reporting.rejected_retry" in again.err) == (0, True)
        await folded(ready)
    (event,) = await rows(
        ready, "SELECT user_id, segment_id, source, actor, description FROM reporting.event"
    )
    assert tuple(event.values()) == ("ann@x", 2, "retry", "ann", "why")
    assert await value(
        ready,
        "SELECT e.status_change_timestamp = date_trunc('second', r.received_at) FROM reporting.event AS e,"
        " reporting.rejected AS r WHERE r.kafka_offset = 0 AND r.kafka_partition = 1 AND r.reason = 'unknown_segment'",
    )
    assert await value(ready, "SELECT sum(duplicates) FROM segments.lane") == 1
    new = (await run(ready, "rejected", "list", "--new", "--json")).json
    assert [row["reason"] for row in new] == ["not_json"]
    await sound(ready)


async def test_a_batch_that_could_not_be_read_is_shown_at_each_of_its_offsets(
    database: Settings,
) -> None:
    whole = Refusal(Reason.TOO_LARGE, "the batch decompresses to more than 64 MiB")
    async with log(database) as (lane,):
        batch = Given(4, 1_700_000_000_000, None, None, (), span=5, refusal=whole)
        await lane.store(await lane.prepare_records([batch]))
    topic = lane.lane.topic
    for offset in range(5):
        shown = await run(database, "rejected", "show", f"{topic}:0:0:{offset}", "--json")
        assert (shown.json["kafka_offset"], shown.json["next_offset"]) == (0, 5)
    beyond = await run(database, "rejected", "show", f"{topic}:0:0:5")
    assert "no rejected record" in beyond.err
    # Nothing of it was kept that could be published again.
    again = await run(database, "rejected", "retry", f"{topic}:0:0:3")
    assert (again.code, "part of an unreadable batch" in again.err) == (1, True)


async def test_what_is_not_there_to_be_retried_is_told_so(ready: Settings) -> None:
    for command in ("show", "retry"):
        result = await run(ready, "rejected", command, "t:0:0:7")
        assert (result.code, result.out) == (1, "")
        assert "no rejected record" in result.err
    nowhere = await run(ready, "lane", "adopt", "--partition", "99", "--from", "0", "--reason", "r")
    assert (nowhere.code, "There is no lane" in nowhere.err) == (1, True)


async def test_skipped_records_are_rejected_whole_counted_and_tied_to_their_person(
    ready: Settings,
) -> None:
    await publish(
        ready,
        [
            NewRecord(user="Ann@x", lane=0, description="why"),
            NewRecord(b"{", lane=0),
            NewRecord(user="u", lane=0),
        ],
    )
    async with service(ready, ingest, project):
        await folded(ready)
    await publish(
        ready,
        [
            NewRecord(user="Ann@x", lane=0, description="again"),
            NewRecord(b"{", lane=0, key=b"n:ann@x"),
            NewRecord(user="v", lane=0),
        ],
    )
    beyond = await run(ready, "lane", "skip", "--partition", "0", "--to", "99", "--reason", "r")
    assert (beyond.code, beyond.out) == (1, "")
    done = await run(ready, "lane", "skip", "--partition", "0", "--to", "5", "--reason", "poison", "--actor", "ann",
                     "--json")  # fmt: skip
    assert (done.code, done.json["rejected"], done.json["next_offset"]) == (0, 2, 5)
    async with service(ready, ingest, project):
        await folded(ready)
    skipped = await rows(
        ready,
        "SELECT r.detail, r.network_id, p.user_id, r.segment_id, r.payload IS NOT NULL AS whole"
        " FROM segments.rejected AS r LEFT JOIN segments.person AS p USING (person_id)"
        " WHERE reason = 'skipped' ORDER BY kafka_offset",
    )
    assert [tuple(row.values()) for row in skipped] == [
        ("skipped: poison", "n", "ann@x", 1, True),
        ("skipped: poison", None, None, None, True),
    ]
    assert await value(ready, "SELECT count(*) FROM segments.event") == 3
    (done_by,) = await rows(
        ready, "SELECT action, reason, actor FROM segments.lane_event WHERE action <> 'opened'"
    )
    assert tuple(done_by.values()) == ("skipped", "poison", "ann")
    async with connected(ready, "segments_operate") as connection:
        await connection.execute("SELECT segments.erase_person('n', 'ann@x', 'a', 'r')")
    assert (
        await value(
            ready,
            "SELECT count(*) FROM segments.rejected WHERE payload_text LIKE '%again%' OR record_key LIKE '%@x%'",
        )
        == 0
    )
    await sound(ready)


async def test_a_lane_whose_topic_is_another_is_adopted_in_a_new_epoch_and_goes_on(
    ready: Settings,
) -> None:
    await publish(ready, [NewRecord(user=f"u{n}", lane=0) for n in range(3)])
    async with service(ready, ingest, project):
        await folded(ready)
    async with connected(ready) as connection:
        await connection.execute(
            "UPDATE segments.lane SET last_digest = 'another record' WHERE partition = 0"
        )
    async with service(ready, ingest, project):
        await until(ready, "SELECT stopped_lanes = 1 FROM reporting.watermark")
        assert (await run(ready, "status", "--wait", "300")).code == 1
        wrong = await run(
            ready, "lane", "adopt", "--partition", "0", "--from", "99", "--reason", "r"
        )
        assert (wrong.code, wrong.out) == (1, "")
        adopted = await run(
            ready,
            "lane",
            "adopt",
            "--partition",
            "0",
            "--from",
            "1",
            "--reason",
            "remade",
            "--json",
        )
        assert adopted.json["kafka_epoch"] == 1
        await publish(ready, [NewRecord(user="later", lane=0)])
        await folded(ready)
    lanes = await rows(
        ready, "SELECT kafka_epoch, first_offset, next_offset, events, duplicates, holes FROM reporting.lane"
        " WHERE kafka_partition = 0 ORDER BY 1"
    )  # fmt: skip
    assert [tuple(row.values()) for row in lanes] == [(0, 0, 3, 3, 0, 0), (1, 0, 4, 3, 0, 1)]
    assert await value(ready, "SELECT stopped_lanes FROM reporting.watermark") == 0
    assert await value(ready, "SELECT cause FROM reporting.hole") == (
        "skipped by an operator at the adoption: remade"
    )
    await _is_stopped_no_more(ready)
    await sound(ready)


async def _is_stopped_no_more(settings: Settings) -> None:
    """Its closed epoch is not stopped, wherever lanes are shown; why it was is told on."""
    for schema in ("reporting", "reporting_network"):
        assert await value(settings, f"SELECT count(stopped_because) FROM {schema}.lane") == 0
    listed = (await run(settings, "lane", "list", "--json")).json
    assert [row["stopped_because"] for row in listed] == [None] * 5
    status = (await run(settings, "status", "--json")).json
    assert {row["stopped_because"] for row in status["lanes"]} == {None}
    told = (await run(settings, "lane", "list", "--history", "--json")).json
    happened = [row for row in told if row["action"] != "opened"]
    assert [(row["kafka_epoch"], row["action"]) for row in happened] == [
        (0, "stopped"),
        (1, "adopted"),
    ]
    assert "segments lane adopt" in happened[0]["reason"]
    assert (happened[1]["reason"], happened[1]["detail"]) == ("remade", "from offset 1")
    assert "adopted" in (await run(settings, "lane", "list", "--history")).out
