"""`send`: one command is published, and told as it will stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from service.ingest.role import ingest
from tests.support.command_line import run
from tests.support.database import rows, until
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
SEND = ("send", "--network", "n", "--user", "A@x", "--segment", "1", "--status", "add")


async def test_send_publishes_one_command_and_prints_where_it_stands(ready: Settings) -> None:
    async with service(ready, ingest):
        sent = await run(ready, *SEND, "--metadata", '{"a": 1.10, "b": 1e2}', "--at", "1700000000", "--reference", "r",
                         "--description", "why", "--actor", "ann", "--json")  # fmt: skip
        assert sent.code == 0, sent.err
        assert sent.json | {"partition": 0, "topic": ""} == {
            "status": "queued", "reference_id": "r", "status_change_timestamp": 1700000000, "topic": "",
            "partition": 0, "offset": 0,
        }  # fmt: skip
        plain = await run(ready, *SEND)
        assert plain.out == f"{sent.json['topic']}:{sent.json['partition']}:1\n"
        await until(ready, "SELECT count(*) = 2 FROM segments.event")
    (event,) = await rows(
        ready,
        "SELECT user_id, user_sent, metadata::text, description, source, actor FROM reporting.event WHERE time_given",
    )
    assert sent.json["reference_id"] == "r"
    # The digits as they were typed.
    assert tuple(event.values()) == ("a@x", "A@x", '{"a": 1.10, "b": 100}', "why", "cli", "ann")


async def test_send_tells_what_was_left_blank_as_the_log_then_has_it(ready: Settings) -> None:
    async with service(ready, ingest):
        blank = await run(ready, *SEND, "--json")
        lifted = await run(ready, *SEND, "--metadata", '{"reference_id": "mine"}', "--json")
        await until(ready, "SELECT count(*) = 2 FROM segments.event")
    recorded = await rows(
        ready,
        "SELECT reference_id, extract(epoch FROM status_change_timestamp)::bigint AS at FROM reporting.event"
        " ORDER BY kafka_offset",
    )
    told = [(s.json["reference_id"], s.json["status_change_timestamp"]) for s in (blank, lifted)]
    assert told == [tuple(row.values()) for row in recorded]
    assert told[0][0] == f"auto:{blank.json['topic']}-{blank.json['partition']}-0"
    assert told[1][0] == "mine"
